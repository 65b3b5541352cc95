// SPDX-License-Identifier: MIT

package main

import (
	"runtime/debug"

	"kprof-bench/kmod"
)

// residue leaks blocks where earlier ones were, so that memory is full of
// pointers to them that nobody will follow: in objects of the allocator that
// were freed, in free pages, and on the stacks of threads below where they
// sleep. Only the threads that hold a block in a function that they will
// return to keep it from being a leak.
func residue(t *T) {
	tb := loadTestbed(t)
	p := load(t, nil)
	// Some blocks stay, and keep the slabs in use that the objects of the others
	// lie in.
	const old, few = 3000, 10
	first := must(tb.Plant("leaked", old, 4096))(t).First
	for i := first; i < first+old; i += few {
		must(tb.Free(i+1, few-1, kmod.FreeVfree))(t)
	}
	// So much that the allocator takes back the addresses.
	large := must(tb.Plant("leaked", 40, 4<<20))(t)
	must(tb.Free(large.First, large.Count, kmod.FreeVfree))(t)
	must(tb.Plant("leaked", 800, 4096))(t)
	must(tb.Plant("oldstack", 20, 4096))(t)
	must(tb.Plant("stack", 20, 4096))(t)
	debug.FreeOSMemory() // memory of this process that it has freed is in use
	all := region(t, tb, "directmap")
	scanForResidue(t, p, tb, all)
	const gib = 1 << (30 - kmod.PageShift)
	near := must(tb.Blocks())(t)[0].Page / gib * gib
	scanForResidue(t, p, tb, kmod.Region{Name: "vmalloc", Start: near << kmod.PageShift, End: (near + gib) << kmod.PageShift})
}

// scanForResidue asks for the blocks after the scan: they would be found in
// this process's memory.
func scanForResidue(t *T, p *kmod.Profiler, tb *kmod.Testbed, r kmod.Region) {
	ok(t, p.SetRange(r.Start, r.End))
	report := must(p.ScanRaw())(t)
	wantResidue(t, r.Name, must(kmod.ParseMemleaks(report))(t), must(tb.Blocks())(t))
	s := noLosses(t, p)
	t.Logf("%s: %d pointers of the allocator's, %d in memory not in use, %d free pages", r.Name,
		s.BookkeepingWords, s.IdleWords, s.FreePages)
}

// flushed is how many leaks may have their start in memory in use that nothing
// tells from a reference: each processor notes the addresses that it took out of
// its TLB last.
const flushed = 1

func wantResidue(t *T, region string, leaks []kmod.Leak, blocks []kmod.Block) {
	verdicts := map[uint64]kmod.Verdict{}
	for _, l := range leaks {
		verdicts[l.Page] = l.Verdict
	}
	wrong := map[string]int{}
	for _, b := range blocks {
		want := kmod.PossibleLeak
		if b.Class == "stack" {
			want = kmod.NotFreedYet
		}
		if verdicts[b.Page] != want {
			wrong[b.Class]++
		}
	}
	if wrong["leaked"] <= flushed {
		delete(wrong, "leaked")
	}
	if len(wrong) > 0 {
		t.Errorf("%s: wrong verdicts by class: %v", region, wrong)
	}
}
