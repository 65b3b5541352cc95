// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kprof-bench/kmod"
)

// kernelMemory reads the kernel's memory through /proc/kcore.
type kernelMemory struct {
	file *os.File
	segs []elf.ProgHeader
}

func openKernelMemory() (*kernelMemory, error) {
	f, err := os.Open("/proc/kcore")
	if err != nil {
		return nil, err
	}
	core, err := elf.NewFile(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	m := &kernelMemory{file: f}
	for _, p := range core.Progs {
		if p.Type == elf.PT_LOAD {
			m.segs = append(m.segs, p.ProgHeader)
		}
	}
	return m, nil
}

func (m *kernelMemory) close() { m.file.Close() }

// section returns [addr, addr+n).
func (m *kernelMemory) section(addr, n uint64) (*io.SectionReader, error) {
	for _, s := range m.segs {
		if addr >= s.Vaddr && addr+n <= s.Vaddr+s.Memsz {
			return io.NewSectionReader(m.file, int64(s.Off+addr-s.Vaddr), int64(n)), nil
		}
	}
	return nil, fmt.Errorf("%#x is not in /proc/kcore", addr)
}

func (m *kernelMemory) word(addr uint64) (uint64, error) {
	s, err := m.section(addr, 8)
	if err != nil {
		return 0, err
	}
	var b [8]byte
	_, err = io.ReadFull(s, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// kernelSymbols is kallsyms, read once: the kernel does not move.
var kernelSymbols = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile("/proc/kallsyms")
	return string(b), err
})

// kernelSymbol returns the address of a variable of the kernel.
func kernelSymbol(name string) (uint64, error) {
	text, err := kernelSymbols()
	if err != nil {
		return 0, err
	}
	// ffffffff81000000 T name
	i := strings.Index(text, " "+name+"\n")
	if i < 18 {
		return 0, fmt.Errorf("no symbol %s", name)
	}
	return strconv.ParseUint(text[i-18:i-2], 16, 64)
}

// plantedElsewhere looks for the starts that no region has where their classes
// say they are.
func (l *lab) plantedElsewhere(t *kmod.Testbed) error {
	byClass, err := plantAll(t)
	if err != nil {
		return err
	}
	m, err := openKernelMemory()
	if err != nil {
		return err
	}
	defer m.close()
	p := &problems{}
	for class, find := range map[string]func(*kernelMemory, []kmod.Block) ([]uint64, error){
		"chain": inEachOther, "self": inThemselves, "vblock": inHolders, "list": inList, "percpu": inPercpu,
	} {
		pages, err := find(m, byClass[class])
		p.note(class, err)
		var want []uint64
		for _, b := range byClass[class] {
			want = append(want, b.Page)
		}
		slices.Sort(pages)
		slices.Sort(want)
		if !slices.Equal(pages, want) {
			p.add("%s: %d starts found, which are not the %d there are", class, len(pages), len(want))
		}
	}
	p.note("words", wordsHold(m, byClass))
	p.note("a chain that lost blocks", chainCloses(t, m))
	p.note("free", unplantAll(t))
	return p.err()
}

// inEachOther: the first word of each block is the start of another one.
// wordsHold makes sure that the words which are said to hold the starts of blocks
// do, at both their addresses.
func wordsHold(m *kernelMemory, byClass map[string][]kmod.Block) error {
	none := []string{"leaked", "interior", "tagged", "packed", "oldstack"}
	for class, blocks := range byClass {
		for _, b := range blocks {
			if slices.Contains(none, class) != (b.Word == 0) || (b.Word == 0) != (b.DirectWord == 0) {
				return fmt.Errorf("%s: words %#x and %#x", class, b.Word, b.DirectWord)
			}
			if b.Word == 0 {
				continue
			}
			for _, at := range []uint64{b.Word, b.DirectWord} {
				if w, err := m.word(at << 3); err != nil || w != b.Page<<kmod.PageShift {
					return fmt.Errorf("%s: %#x holds %#x, %v, want page %#x", class, at<<3, w, err, b.Page)
				}
			}
		}
	}
	return nil
}

// kernelRegions: the kernel's .data and .bss are where kallsyms has them, and a
// dump of .data has what lies there.
func (l *lab) kernelRegions(t *kmod.Testbed) error {
	regions, err := t.Regions()
	if err != nil {
		return err
	}
	p := &problems{}
	for name, bounds := range map[string][2]string{
		"kernel-data": {"_sdata", "_edata"}, "kernel-bss": {"__bss_start", "__bss_stop"},
	} {
		i := slices.IndexFunc(regions, func(r kmod.Region) bool { return r.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no region %s", name)
		}
		start, err := kernelSymbol(bounds[0])
		p.note(name, err)
		end, err := kernelSymbol(bounds[1])
		p.note(name, err)
		r := regions[i]
		equal(p, name+": start", r.Start, start)
		equal(p, name+": end", r.End, end)
		d, err := dump(t, name)
		p.note(name, err)
		equal(p, name+": bytes", uint64(len(d)), r.End-r.Start)
		if name == "kernel-data" {
			at, err := kernelSymbol("init_uts_ns")
			p.note(name, err)
			// The first string is the system's name.
			if at -= start; !bytes.Contains(d[at:at+64], []byte("Linux\x00")) {
				p.add("%s: %q at the names of the system", name, d[at:at+64])
			}
		}
	}
	return p.err()
}

// repeatedArena: what is written in the memory of an arena is there again behind
// it, and what is planted in it is found as often.
func (l *lab) repeatedArena(t *kmod.Testbed) error {
	const memory, times = 2 * 4096, 5
	if err := t.RepeatedArena(times*memory, memory); err != nil {
		return err
	}
	p := &problems{}
	p.note("fill", t.FillArena("random"))
	_, err := t.Plant("arena", memory/8, 4096)
	p.note("plant", err)
	d, err := dump(t, "arena")
	p.note("dump", err)
	equal(p, "bytes", len(d), times*memory)
	for i := memory; i < len(d); i++ {
		if d[i] != d[i-memory] {
			p.add("byte %d is not that of %d before", i, memory)
			break
		}
	}
	p.note("free", unplantAll(t))
	return p.err()
}

func inEachOther(m *kernelMemory, blocks []kmod.Block) ([]uint64, error) {
	var pages []uint64
	for _, b := range blocks {
		w, err := m.word(b.Page << 12)
		if err != nil {
			return nil, err
		}
		if w%4096 != 0 || w>>12 == b.Page {
			return nil, fmt.Errorf("block %d holds %#x", b.ID, w)
		}
		pages = append(pages, w>>12)
	}
	return pages, nil
}

// inThemselves: the first word of each block, and the last, is its own start.
func inThemselves(m *kernelMemory, blocks []kmod.Block) ([]uint64, error) {
	var pages []uint64
	for _, b := range blocks {
		end := (b.Page + (b.Size+4095)>>12) << 12
		for _, addr := range []uint64{b.Page << 12, end - 8} {
			w, err := m.word(addr)
			if err != nil {
				return nil, err
			}
			if w != b.Page<<12 {
				return nil, fmt.Errorf("block %d holds %#x", b.ID, w)
			}
		}
		pages = append(pages, b.Page)
	}
	return pages, nil
}

// chainCloses: what is left of a chain is a ring again.
func chainCloses(t *kmod.Testbed, m *kernelMemory) error {
	planted, err := t.Plant("chain", 9, 4096)
	if err != nil {
		return err
	}
	for i, how := range map[uint64]kmod.FreeHow{0: kmod.FreeVfree, 4: kmod.FreeIRQ, 8: kmod.FreeKvfree} {
		if _, err := t.Free(planted.First+i, 1, how); err != nil {
			return err
		}
	}
	byClass, err := blocksByClass(t)
	if err != nil {
		return err
	}
	ring := map[uint64]bool{}
	for _, b := range byClass["chain"] {
		if b.ID >= planted.First {
			ring[b.Page] = true
		}
	}
	if len(ring) != 6 {
		return fmt.Errorf("%d blocks are left, want 6", len(ring))
	}
	var at uint64
	for page := range ring {
		at = page
		break
	}
	for range 6 {
		if !ring[at] {
			return fmt.Errorf("page %#x does not belong to the ring or comes twice", at)
		}
		delete(ring, at)
		w, err := m.word(at << 12)
		if err != nil {
			return err
		}
		at = w >> 12
	}
	return nil
}

// inHolders: the first word of each page that the class allocated beside.
func inHolders(m *kernelMemory, _ []kmod.Block) ([]uint64, error) {
	info, err := vmallocBlocks()
	if err != nil {
		return nil, err
	}
	var pages []uint64
	for page, i := range info {
		if i.symbol != "tb_keep_vblock" {
			continue
		}
		w, err := m.word(page << 12)
		if err != nil {
			return nil, err
		}
		if w%4096 != 0 {
			return nil, fmt.Errorf("holder has %#x", w)
		}
		pages = append(pages, w>>12)
	}
	return pages, nil
}

// inList follows the list: struct tb_node is a list_head and the start.
func inList(m *kernelMemory, _ []kmod.Block) ([]uint64, error) {
	symbols, err := testbedSymbols()
	if err != nil {
		return nil, err
	}
	head := symbols["tb_nodes"]
	var pages []uint64
	for at := head; len(pages) <= perClass; {
		if at, err = m.word(at); err != nil {
			return nil, err
		}
		if at == head {
			return pages, nil
		}
		start, err := m.word(at + 16)
		if err != nil {
			return nil, err
		}
		if start%4096 != 0 {
			return nil, fmt.Errorf("node holds %#x", start)
		}
		pages = append(pages, start>>12)
	}
	return nil, errors.New("the list is too long")
}

// inPercpu searches the first processor's part of the first chunk, in which a
// fresh kernel places what is as small as a word. It skips the kernel's own
// variables there: interrupt stacks are among them, on which anything may have
// been left.
func inPercpu(m *kernelMemory, blocks []kmod.Block) ([]uint64, error) {
	var at [4]uint64
	for i, name := range []string{"pcpu_base_addr", "pcpu_unit_size", "__per_cpu_start", "__per_cpu_end"} {
		var err error
		if at[i], err = kernelSymbol(name); err != nil {
			return nil, err
		}
	}
	base, err := m.word(at[0])
	if err != nil {
		return nil, err
	}
	size, err := m.word(at[1])
	if err != nil {
		return nil, err
	}
	end := at[3] - at[2] // older kernels have the start at 0
	s, err := m.section(base+end, size&math.MaxUint32-end)
	if err != nil {
		return nil, err
	}
	want := map[uint64]bool{}
	for _, b := range blocks {
		want[b.Page] = true
	}
	// The end of a unit was given back at boot: what it holds once more, in
	// whatever it has become, proves nothing.
	found := map[uint64]bool{}
	err = kmod.FindStarts(s,
		func(page uint64) bool { return want[page] },
		func(_, page uint64) { found[page] = true })
	return slices.Collect(maps.Keys(found)), err
}
