// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kprof-bench/kmod"
)

// plantable are the classes that "plant" takes.
var plantable = []string{
	"leaked", "data", "bss", "list", "percpu", "vblock", "chain", "interior",
	"tagged", "packed", "arena", "stack", "oldstack", "self",
}

// otherKinds are those that "plantother" takes on this kernel.
func otherKinds() ([]string, error) {
	kinds := append([]string{"big", "vmap"}, kmod.Family...)
	b, err := os.ReadFile("/proc/kallsyms")
	if bytes.Contains(b, []byte(" vrealloc_noprof\n")) {
		kinds = append(kinds, "vrealloc")
	}
	return kinds, err
}

// sizeOfKind is one that all blocks of a kind may have.
func sizeOfKind(kind string) uint64 {
	switch kind {
	case "big":
		return 3 << 20
	case "kvmalloc":
		return 6 << 20 // too much for kmalloc
	}
	return 9000
}

// perClass is how many blocks of each class are planted.
const perClass = 60

// plantAll plants blocks of each class, in turns, so that no class has a
// stretch of memory of its own. It returns them by class.
func plantAll(t *kmod.Testbed) (map[string][]kmod.Block, error) {
	if err := t.Arena(1 << 18); err != nil {
		return nil, err
	}
	if err := t.FillArena("random"); err != nil {
		return nil, err
	}
	for range perClass / 20 {
		for _, class := range plantable {
			if _, err := t.Plant(class, 20, 5000); err != nil {
				return nil, err
			}
		}
	}
	return blocksByClass(t)
}

func blocksByClass(t *kmod.Testbed) (map[string][]kmod.Block, error) {
	byClass := map[string][]kmod.Block{}
	err := t.EachBlock(func(b kmod.Block) error {
		byClass[b.Class] = append(byClass[b.Class], b)
		return nil
	})
	return byClass, err
}

// unplantAll frees all blocks and the arena.
func unplantAll(t *kmod.Testbed) error {
	blocks, err := t.Blocks()
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if _, err := t.Free(b.ID, 1, kmod.FreeKvfree); err != nil {
			return err
		}
	}
	return t.ArenaOff()
}

// dump returns a region's bytes.
func dump(t *kmod.Testbed, region string) ([]byte, error) {
	r, err := t.Dump(region)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func regionsAreClean(t *kmod.Testbed, regions ...string) error {
	for _, region := range regions {
		b, err := dump(t, region)
		if err != nil {
			return err
		}
		if i := bytes.IndexFunc(b, func(r rune) bool { return r != 0 }); i >= 0 {
			return fmt.Errorf("region %s is not clean at %#x", region, i)
		}
	}
	return nil
}

// plantedInRegions: a dump of each region has the starts that belong there,
// each once, and .data and .bss have nothing else at all.
func (l *lab) plantedInRegions(t *kmod.Testbed) error {
	byClass, err := plantAll(t)
	if err != nil {
		return err
	}
	p := &problems{}
	// Words written around those that are taken.
	p.note("fill", t.FillArena("random"))
	classOf := map[uint64]string{}
	for _, class := range plantable {
		equal(p, class+": blocks", len(byClass[class]), perClass)
		for _, b := range byClass[class] {
			classOf[b.Page] = class
		}
	}
	for _, region := range []string{"data", "bss", "arena"} {
		d, err := t.Dump(region)
		p.note("dump", err)
		found := map[uint64]int{}
		err = kmod.FindStarts(d,
			func(page uint64) bool { return classOf[page] != "" },
			func(_, page uint64) { found[page]++ })
		p.note("search", err)
		equal(p, region+": blocks found", len(found), perClass)
		for page, times := range found {
			if classOf[page] != region || times != 1 {
				p.add("%s: page %#x of class %s is found %d times", region, page, classOf[page], times)
			}
		}
	}
	p.note("words of .data", wordsOfData(t, byClass))
	p.note("words of .bss", wordsOfBss(t, byClass))

	p.note("free", unplantAll(t))
	p.note("after all are freed", regionsAreClean(t, "data", "bss"))
	return p.err()
}

// wordsOfData accounts for each word of .data by hand: the start itself, the
// start + 64, the start | 1, or the start at three bytes into two words.
func wordsOfData(t *kmod.Testbed, byClass map[string][]kmod.Block) error {
	b, err := dump(t, "data")
	if err != nil {
		return err
	}
	want := map[string]int{}
	for _, block := range byClass["data"] {
		want[word(block.Page<<12)]++
	}
	for _, block := range byClass["interior"] {
		want[word(block.Page<<12+64)]++
	}
	for _, block := range byClass["tagged"] {
		want[word(block.Page<<12|1)]++
	}
	for _, block := range byClass["packed"] {
		var two [16]byte
		binary.LittleEndian.PutUint64(two[3:], block.Page<<12)
		want[string(two[:])]++
	}
	got := map[string]int{}
	for i := 0; i < len(b); i += 8 {
		w := string(b[i : i+8])
		if w == word(0) {
			continue
		}
		if want[w] == 0 && i+16 <= len(b) {
			w = string(b[i : i+16]) // a packed one, if anything
			i += 8
		}
		got[w]++
	}
	return sameWords(got, want, 4*perClass)
}

func wordsOfBss(t *kmod.Testbed, byClass map[string][]kmod.Block) error {
	b, err := dump(t, "bss")
	if err != nil {
		return err
	}
	want, got := map[string]int{}, map[string]int{}
	for _, block := range byClass["bss"] {
		want[word(block.Page<<12)]++
	}
	for w := range slices.Chunk(b, 8) {
		if string(w) != word(0) {
			got[string(w)]++
		}
	}
	return sameWords(got, want, perClass)
}

func sameWords(got, want map[string]int, n int) error {
	if !maps.Equal(got, want) || len(got) != n {
		return fmt.Errorf("%d different words, want %d, which are %d", len(got), n, len(want))
	}
	return nil
}

func word(v uint64) string {
	return string(binary.LittleEndian.AppendUint64(nil, v))
}

// infoLine is what vmallocinfo says of a block of the testbed: its start, the
// function that asked for it and how far into it, the module and the flags.
var infoLine = regexp.MustCompile(`^0x([0-9a-f]{13})000-0x[0-9a-f]+ +(\d+) (\w+)\+0x([0-9a-f]+)/0x[0-9a-f]+ \[kprof_testbed\] (.*)$`)

type info struct {
	size   uint64
	symbol string
	offset uint64
	flags  string
}

// vmallocBlocks returns vmallocinfo's blocks of the testbed, by page.
func vmallocBlocks() (map[uint64]info, error) {
	// 1 lets root see addresses and nobody else.
	if err := os.WriteFile("/proc/sys/kernel/kptr_restrict", []byte("1"), 0); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(vmallocInfo)
	if err != nil {
		return nil, err
	}
	blocks := map[uint64]info{}
	for line := range strings.Lines(string(b)) {
		m := infoLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		page, err1 := strconv.ParseUint(m[1], 16, 64)
		size, err2 := strconv.ParseUint(m[2], 10, 64)
		offset, err3 := strconv.ParseUint(m[4], 16, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		blocks[page] = info{size, m[3], offset, m[5]}
	}
	return blocks, nil
}

// symbols returns the addresses of the testbed's functions.
func testbedSymbols() (map[string]uint64, error) {
	b, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		return nil, err
	}
	symbols := map[string]uint64{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) != 4 || f[3] != "[kprof_testbed]" {
			continue
		}
		if symbols[f[2]], err = strconv.ParseUint(f[0], 16, 64); err != nil {
			return nil, err
		}
	}
	return symbols, nil
}

// callers: the caller that a profiler must report is the one that the kernel
// has noted, for each block there is.
func (l *lab) callers(t *kmod.Testbed) error {
	if _, err := plantAll(t); err != nil {
		return err
	}
	p := &problems{}
	kinds, err := otherKinds()
	p.note("kinds", err)
	for _, kind := range kinds {
		p.note(kind, second(t.PlantOther(kind, 2, sizeOfKind(kind))))
	}
	byClass, err := blocksByClass(t)
	p.note("blocks", err)
	info, err := vmallocBlocks()
	p.note(vmallocInfo, err)
	symbols, err := testbedSymbols()
	p.note("kallsyms", err)
	text, err := kmod.TestbedText()
	p.note("text", err)

	for _, class := range slices.Concat(plantable, kinds) {
		site := "tb_site_" + class
		if len(byClass[class]) == 0 || symbols[site] == 0 {
			p.add("%s: %d blocks, site at %#x", class, len(byClass[class]), symbols[site])
		}
		for _, b := range byClass[class] {
			noted := info[b.Page]
			equal(p, class+": site", b.Site, symbols[site])
			equal(p, class+": function in vmallocinfo", noted.symbol, site)
			// The size in vmallocinfo has the guard page in it.
			equal(p, class+": size in vmallocinfo", noted.size, (b.Size+4095)/4096*4096+4096)
			if class == "vmap" {
				continue
			}
			caller, err := l.object.ExpectedCaller(class, text)
			p.note(class, err)
			equal(p, class+": caller", caller, symbols[noted.symbol]+noted.offset)
			if !strings.Contains(noted.flags, " vmalloc") {
				p.add("%s: flags %q", class, noted.flags)
			}
		}
	}
	p.note("free", unplantAll(t))
	return p.err()
}

const settle = 200 * time.Millisecond

// freed: each way to free frees, and all three are calls of vfree().
func (l *lab) freed(t *kmod.Testbed) error {
	p := &problems{}
	// The kernel frees what the module needed for its start a little later.
	time.Sleep(settle)
	probe, err := t.RefProbe("vfree")
	if err != nil {
		return err
	}
	calls := uint64(0)
	for _, test := range []struct {
		class string
		how   kmod.FreeHow
	}{
		{"leaked", kmod.FreeVfree}, {"leaked", kmod.FreeKvfree}, {"leaked", kmod.FreeIRQ},
		{"chain", kmod.FreeIRQ}, {"list", kmod.FreeVfree}, {"percpu", kmod.FreeIRQ},
	} {
		// More than fit into one go of the interrupt.
		const n = 530
		what := test.class + " by " + string(test.how)
		planted, err := t.Plant(test.class, n, 4096)
		p.note(what, err)
		// Not from the first, and not all: the ring of a chain closes.
		f, err := t.Free(planted.First+3, n-5, test.how)
		p.note(what, err)
		equal(p, what+": count", f.Count, n-5)
		calls += n - 5
		checkCalls(p, what+": vfree", probe, calls)
		blocks, err := t.Blocks()
		p.note(what, err)
		var ids []uint64
		for _, b := range blocks {
			ids = append(ids, b.ID-planted.First)
		}
		equal(p, what+": blocks left", fmt.Sprint(ids), fmt.Sprint([]uint64{0, 1, 2, n - 2, n - 1}))
		p.note(what, second(t.Free(planted.First, 3, kmod.FreeVfree)))
		p.note(what, second(t.Free(planted.First+n-2, 2, kmod.FreeVfree)))
		calls += 5
		p.note(what, noTestbedBlocks())
	}
	return p.err()
}
