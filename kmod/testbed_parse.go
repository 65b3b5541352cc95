// SPDX-License-Identifier: MIT

package kmod

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// testbedClasses are the names that the module gives to kinds of blocks, in
// the module's order. Listing them here keeps 100,000 lines from making
// 100,000 strings, and makes an unknown one an error.
var testbedClasses = []string{
	"leaked", "data", "bss", "list", "percpu", "vblock", "chain", "interior",
	"tagged", "packed", "arena", "stack", "oldstack", "self", "evading",
	"big", "vzalloc", "vmalloc_node", "vzalloc_node", "__vmalloc", "vmalloc_32",
	"vmalloc_array", "vcalloc", "vmalloc_user", "vmalloc_32_user",
	"vmalloc_huge", "kvmalloc", "vrealloc", "vmap",
}

// parseTestbedValues reads lines of key=value, each key exactly once and no
// others.
func parseTestbedValues(text string, keys []string) (map[string]int64, error) {
	values := make(map[string]int64, len(keys))
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || !slices.Contains(keys, key) {
			return nil, fmt.Errorf("testbed result: unexpected line %q", line)
		}
		if _, ok := values[key]; ok {
			return nil, fmt.Errorf("testbed result: %s twice", key)
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("testbed result: %s: %w", key, err)
		}
		values[key] = n
	}
	for _, key := range keys {
		if _, ok := values[key]; !ok {
			return nil, fmt.Errorf("testbed result: no %s in %q", key, text)
		}
	}
	return values, nil
}

var errBlockLine = errors.New(`want "id class start site size word direct"`)

// parseBlock reads one line of the block table. The start is read as a page
// number: the address itself never becomes a number here, because a scan of
// all memory would find it in this program.
func parseBlock(line []byte) (Block, error) {
	var fields [7][]byte
	n := 0
	for field := range bytes.SplitSeq(line, []byte{' '}) {
		if n == len(fields) {
			return Block{}, errBlockLine
		}
		fields[n] = field
		n++
	}
	if n != len(fields) {
		return Block{}, errBlockLine
	}
	page, ok := bytes.CutSuffix(fields[2], []byte("000"))
	if !ok || len(page) != 13 {
		return Block{}, fmt.Errorf("start %q is no page's address", fields[2])
	}
	class := slices.IndexFunc(testbedClasses, func(c string) bool { return c == string(fields[1]) })
	if class < 0 {
		return Block{}, fmt.Errorf("unknown class %q", fields[1])
	}
	b := Block{Class: testbedClasses[class]}
	for _, f := range []struct {
		to   *uint64
		text []byte
		base int
	}{{&b.ID, fields[0], 10}, {&b.Page, page, 16}, {&b.Site, fields[3], 16}, {&b.Size, fields[4], 10},
		{&b.Word, fields[5], 16}, {&b.DirectWord, fields[6], 16}} {
		v, err := strconv.ParseUint(string(f.text), f.base, 64)
		if err != nil {
			return Block{}, err
		}
		*f.to = v
	}
	return b, nil
}

// parseFrames reads the addresses of pages.
func parseFrames(text string) ([]uint64, error) {
	var frames []uint64
	for line := range strings.Lines(text) {
		at, err := strconv.ParseUint(strings.TrimSuffix(line, "\n"), 16, 64)
		if err != nil || at%4096 != 0 {
			return nil, fmt.Errorf("frame %q is no page's address", line)
		}
		frames = append(frames, at)
	}
	return frames, nil
}

// parseRegions reads the table of regions.
func parseRegions(text string) ([]Region, error) {
	var regions []Region
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(f) != 4 || f[0] == "" {
			return nil, fmt.Errorf("region %q: want \"name start end direct\"", line)
		}
		r := Region{Name: f[0]}
		for i, to := range []*uint64{&r.Start, &r.End, &r.Direct} {
			var err error
			if *to, err = strconv.ParseUint(f[i+1], 16, 64); err != nil {
				return nil, fmt.Errorf("region %q: %w", line, err)
			}
		}
		if r.Start >= r.End || (r.Start|r.End|r.Direct)%8 != 0 {
			return nil, fmt.Errorf("region %q is empty or not made of whole words", line)
		}
		regions = append(regions, r)
	}
	return regions, nil
}
