// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/kmod"
)

// verdicts scans a range and returns how many blocks of each class have which
// verdict.
func verdicts(t *T, p *kmod.Profiler, tb *kmod.Testbed, r kmod.Region) map[seen]int {
	ok(t, p.SetRange(r.Start, r.End))
	text := must(p.ScanRaw())(t)
	planted := plantedBlocks(t, tb)
	n := map[seen]int{}
	for _, l := range must(kmod.ParseMemleaks(text))(t) {
		n[seen{planted[l.Page].Class, l.Verdict}]++
	}
	return n
}

func wantVerdicts(t *T, when string, got, want map[seen]int) {
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: verdicts (-want +got)\n%s", when, diff)
	}
}

// selfReferences is about blocks to which the only pointers lie in themselves,
// met at their own addresses and in the direct map.
func selfReferences(t *T) {
	const each = 5
	tb := loadTestbed(t)
	p := load(t, nil)
	// Several pages each: the first and the last hold it.
	must(tb.Plant("self", each, 3*4096))(t)
	must(tb.Plant("chain", each, 3*4096))(t)
	must(tb.Plant("leaked", each, 3*4096))(t)
	blocks := must(tb.Blocks())(t)
	own := kmod.Region{Name: "own addresses", Start: 1<<64 - 1}
	for _, b := range blocks {
		own.Start = min(own.Start, b.Page<<kmod.PageShift)
		own.End = max(own.End, (b.Page+3)<<kmod.PageShift)
	}
	self := map[bool]kmod.Verdict{false: kmod.NotFreedYet, true: kmod.PossibleLeak}
	for _, ignore := range []bool{false, true, false} {
		ok(t, p.SetIgnoreSelf(ignore))
		when := fmt.Sprintf("ignore_self %v", ignore)
		wantVerdicts(t, when, verdicts(t, p, tb, own), map[seen]int{
			{"self", self[ignore]}:        each,
			{"chain", kmod.NotFreedYet}:   each,
			{"leaked", kmod.PossibleLeak}: each,
		})
		wantSelfWords(t, when, p, 2*each, ignore)
		for _, b := range blocks {
			selfReferenceInFrames(t, p, tb, b, ignore)
		}
	}
}

// wantSelfWords fails unless the last scan passed over so many words of blocks
// themselves, or none if they counted.
func wantSelfWords(t *T, when string, p *kmod.Profiler, n uint64, ignored bool) {
	if !ignored {
		n = 0
	}
	if s := must(p.Status())(t); s.SelfWords != n {
		t.Errorf("%s: %d words in blocks themselves, want %d", when, s.SelfWords, n)
	}
}

// selfReferenceInFrames scans one page after the other of a block, where the
// direct map has them.
func selfReferenceInFrames(t *T, p *kmod.Profiler, tb *kmod.Testbed, b kmod.Block, ignore bool) {
	for i, at := range must(tb.Frames(b.ID))(t) {
		ok(t, p.SetRange(at, at+4096))
		var held []uint64
		for _, l := range must(p.Leaks())(t) {
			if l.Verdict == kmod.NotFreedYet {
				held = append(held, l.Page)
			}
		}
		when := fmt.Sprintf("page %d of %s, ignore_self %v", i, b.Class, ignore)
		inSelf := b.Class == "self" && i != 1
		if want := b.Class == "chain" && i == 0 || inSelf && !ignore; (len(held) == 1) != want || len(held) > 1 {
			t.Errorf("%s: %d blocks are held, want one %v", when, len(held), want)
		}
		if len(held) == 1 && (held[0] == b.Page) != inSelf {
			t.Errorf("%s: another block is held", when)
		}
		wantSelfWords(t, when, p, 1, inSelf && ignore)
	}
}

// confirmedVerdicts is about a pointer that is moved, while memory is read, from
// a page that is still to be read to one that was read.
func confirmedVerdicts(t *T) {
	tb := loadTestbed(t)
	p := load(t, nil)
	ok(t, tb.Arena(256*4096)) // more than are looked up at once
	must(tb.Plant("leaked", 3, 4096))(t)
	held := must(tb.Plant("arena", 3, 4096))(t)
	arena := region(t, tb, "arena")
	for _, c := range []struct {
		confirm, passes uint
		evading         kmod.Verdict
	}{
		{0, 1, kmod.PossibleLeak}, {1, 2, kmod.NotFreedYet}, {0, 1, kmod.PossibleLeak}, {3, 4, kmod.NotFreedYet},
	} {
		when := fmt.Sprintf("confirm %d", c.confirm)
		ok(t, p.SetConfirm(c.confirm))
		moves := must(tb.Plant("evading", 1, 4096))(t)
		want := map[seen]int{
			{"evading", c.evading}: 1, {"arena", kmod.NotFreedYet}: 3, {"leaked", kmod.PossibleLeak}: 3,
		}
		wantVerdicts(t, when, verdicts(t, p, tb, arena), want)
		wantPasses(t, when, p, c.passes, arena)
		// It stays where it is now: at the beginning, and every pass finds it.
		delete(want, seen{"evading", c.evading})
		want[seen{"evading", kmod.NotFreedYet}] = 1
		wantVerdicts(t, when+", again", verdicts(t, p, tb, arena), want)
		must(tb.Free(moves.First, 1, kmod.FreeVfree))(t)
	}

	// When all are found there is nothing to read again for.
	must(tb.Free(0, 3, kmod.FreeVfree))(t)
	wantVerdicts(t, "all held", verdicts(t, p, tb, arena), map[seen]int{{"arena", kmod.NotFreedYet}: 3})
	wantPasses(t, "all held", p, 1, arena)
	moves := must(tb.Plant("evading", 1, 4096))(t)
	wantVerdicts(t, "found by the second", verdicts(t, p, tb, arena), map[seen]int{
		{"arena", kmod.NotFreedYet}: 3, {"evading", kmod.NotFreedYet}: 1,
	})
	wantPasses(t, "found by the second", p, 2, arena)
	must(tb.Free(moves.First, 1, kmod.FreeVfree))(t)
	must(tb.Free(held.First, 3, kmod.FreeVfree))(t)
	if err := os.WriteFile(filepath.Join("/sys/module", p.Name, "parameters/confirm"), []byte("-1"), 0); err == nil {
		t.Errorf("-1 passes are taken")
	}
}

// wantPasses fails unless the last scan read the range so often.
func wantPasses(t *T, when string, p *kmod.Profiler, passes uint, r kmod.Region) {
	s := must(p.Status())(t)
	if words := uint64(passes) * (r.End - r.Start) / 8; s.Passes != uint64(passes) || s.ScanWords != words {
		t.Errorf("%s: %d passes of %d words in all, want %d of %d", when, s.Passes, s.ScanWords, passes, words)
	}
}
