// SPDX-License-Identifier: MIT

package kmod

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Area is a line of /proc/vmallocinfo: addresses that the kernel has given out,
// and what it noted of who asked for them.
type Area struct {
	// Page is the start address >> PageShift, for the reason given at [Leak].
	Page uint64
	// Bytes is its size, with the page behind it that is never mapped.
	Bytes uint64
	// Symbol, Offset and Module say where the call returns to. Symbol is empty
	// if the kernel noted nothing, Module if it was no module that called.
	Symbol string
	Offset uint64
	Module string
}

// Vmallocinfo reads the areas that there are, as root.
func Vmallocinfo() (areas []Area, err error) {
	const restrict = "/proc/sys/kernel/kptr_restrict"
	was, err := os.ReadFile(restrict)
	if err != nil {
		return nil, err
	}
	// 1 shows addresses to root and to nobody else; 0 garbles them.
	if err := os.WriteFile(restrict, []byte("1"), 0); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.WriteFile(restrict, was, 0)) }()
	text, err := os.ReadFile("/proc/vmallocinfo")
	if err != nil {
		return nil, err
	}
	return parseVmallocinfo(string(text))
}

func parseVmallocinfo(text string) ([]Area, error) {
	var areas []Area
	for line := range strings.Lines(text) {
		a, err := parseArea(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("vmallocinfo: %q: %w", line, err)
		}
		areas = append(areas, a)
	}
	return areas, nil
}

// parseArea takes the fields "start-end size caller [module] ...", of which the
// last ones may be missing. The start is read as a page number, as [parseBlock]
// does.
func parseArea(fields []string) (a Area, err error) {
	if len(fields) < 2 {
		return a, errors.New(`want "start-end size caller"`)
	}
	start, _, _ := strings.Cut(fields[0], "-")
	page, ok := strings.CutSuffix(start, "000")
	if page, prefixed := strings.CutPrefix(page, "0x"); ok && prefixed && len(page) == 13 {
		a.Page, err = strconv.ParseUint(page, 16, 64)
	}
	if err != nil || a.Page == 0 {
		return a, fmt.Errorf("start %q is no page's address: is it hidden?", start)
	}
	if a.Bytes, err = strconv.ParseUint(fields[1], 10, 64); err != nil || len(fields) < 3 {
		return a, err
	}
	symbol, place, ok := strings.Cut(fields[2], "+")
	if !ok {
		return a, nil
	}
	offset, _, _ := strings.Cut(place, "/")
	a.Symbol = symbol
	if a.Offset, err = strconv.ParseUint(offset, 0, 64); err != nil {
		return a, fmt.Errorf("caller %q: %w", fields[2], err)
	}
	if len(fields) > 3 {
		if module, ok := strings.CutPrefix(fields[3], "["); ok {
			a.Module = strings.TrimSuffix(module, "]")
		}
	}
	return a, nil
}
