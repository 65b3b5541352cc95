// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// text is where the code of a module is that stays after its init: [start,
// end), from the first section to the last. The module as a whole, without what
// is for its init only, takes room bytes.
type text struct{ start, end, room uint64 }

func (x text) covers(y text) bool { return x.start <= y.start && y.end <= x.end }

// textOf returns where the text of a loaded module is.
func textOf(t *T, module, ko string) text {
	f := must(elf.Open(ko))(t)
	defer f.Close()
	dir := "/sys/module/" + module
	at := text{room: number(t, dir+"/coresize")}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_EXECINSTR == 0 || s.Size == 0 || strings.HasPrefix(s.Name, ".init") {
			continue
		}
		start := number(t, dir+"/sections/"+s.Name)
		if at.end == 0 || start < at.start {
			at.start = start
		}
		at.end = max(at.end, start+s.Size)
	}
	if at.end-at.start < 4096 || at.room == 0 {
		t.Fatalf("the text of %s is %#x", module, at)
	}
	return at
}

func number(t *T, path string) uint64 {
	return must(strconv.ParseUint(strings.TrimSpace(readFile(t, path)), 0, 64))(t)
}

// poison fills the place where the text of a module was with breakpoints until
// the function returned is called, at the end of the check at the latest.
//
// The kernel puts a module into the first gap that is large enough. Poison that
// needs more room than the module did would be put elsewhere if that was in a
// narrow one, so it gets shorter until it fits.
func poison(t *T, freed text) (antidote func()) {
	const page = 4096
	var at text
	for size := freed.room &^ (page - 1); size >= freed.end-freed.start; size -= page {
		p := must(kmod.Load(poisonOf(t, size)))(t)
		at = textOf(t, profilertest.PoisonModule, profilertest.PoisonPath)
		at.end = at.start + size
		if at.covers(freed) {
			antidote = sync.OnceFunc(func() { ok(t, p.Unload()) })
			t.Cleanup(antidote)
			return antidote
		}
		ok(t, p.Unload())
	}
	t.Fatalf("the text was at %#x, and the poison is at %#x: a return would not hit it", freed, at)
	panic("not reached")
}

// poisonOf returns the path of a copy of the poison that ends after size
// bytes: the section header says less than there is.
func poisonOf(t *T, size uint64) string {
	ko := must(os.ReadFile(profilertest.PoisonPath))(t)
	f := must(elf.NewFile(bytes.NewReader(ko)))(t)
	i := slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == ".text" })
	if have := f.Sections[i].Size; have < size {
		t.Fatalf("there are only %d bytes of poison, and %d are wanted", have, size)
	}
	var header elf.Header64
	ok(t, binary.Read(bytes.NewReader(ko), binary.LittleEndian, &header))
	section := header.Shoff + uint64(i)*uint64(header.Shentsize)
	at := section + uint64(unsafe.Offsetof(elf.Section64{}.Size))
	binary.LittleEndian.PutUint64(ko[at:], size)

	path := "/tmp/poison/" + filepath.Base(profilertest.PoisonPath)
	ok(t, os.MkdirAll(filepath.Dir(path), 0o700))
	ok(t, os.WriteFile(path, ko, 0o600))
	return path
}
