// SPDX-License-Identifier: MIT

package main

import (
	"kprof-bench/kmod"
)

// hazards has the only pointer to a block lie in a page that must not be read.
// Whether it was is told by the processor.
func hazards(t *T) {
	const pages, words = 16, 4096 / 8
	tb := loadTestbed(t)
	p := load(t, nil)
	ok(t, tb.Arena(pages*4096))
	must(tb.Plant("arena", 1, 4096))(t)
	must(tb.Plant("leaked", 1, 4096))(t)
	held := must(tb.Blocks())(t)[0].Page
	var page uint64
	found := 0
	ok(t, kmod.FindStarts(must(tb.Dump("arena"))(t), func(p uint64) bool { return p == held },
		func(offset, _ uint64) { page, found = offset/4096, found+1 }))
	if found != 1 {
		t.Fatalf("the arena holds the block %d times", found)
	}
	arena := region(t, tb, "arena")
	ok(t, p.SetRange(arena.Start, arena.End))
	for _, c := range []struct {
		hazard           kmod.Hazard
		device, poisoned uint64
	}{
		{kmod.HazardNone, 0, 0},
		{kmod.HazardPoisoned, 0, 1}, {kmod.HazardOffline, 0, 1},
		{kmod.HazardUncached, 1, 0}, {kmod.HazardDevice, 1, 0},
		{kmod.HazardNone, 0, 0},
	} {
		ok(t, tb.MakeHazard(c.hazard, page))
		leaks := must(p.Leaks())(t)
		state := must(tb.HazardState())(t)
		ok(t, tb.EndHazard())
		well := c.hazard == kmod.HazardNone
		if state.Read != well {
			t.Errorf("%s: read is %v", c.hazard, state.Read)
		}
		for _, l := range leaks {
			if refers := l.Verdict == kmod.NotFreedYet; refers != (well && l.Page == held) {
				t.Errorf("%s: %v", c.hazard, l)
			}
		}
		s := must(p.Status())(t)
		if s.DevicePages != c.device || s.PoisonedPages != c.poisoned || s.UnreadablePages != 0 ||
			s.ScanWords != words*(pages-c.device-c.poisoned) || len(leaks) != 2 {
			t.Errorf("%s: %d lines, %+v", c.hazard, len(leaks), s)
		}
	}
}

// vanishingPages has pages go while the scan reads them.
func vanishingPages(t *T) {
	const size = 16 << 20
	tb := loadTestbed(t)
	p := load(t, nil)
	ok(t, tb.Arena(size))
	must(tb.Plant("leaked", 3, 4096))(t)
	arena := region(t, tb, "arena")
	ok(t, p.SetRange(arena.Start, arena.End))
	ok(t, tb.MakeHazard(kmod.HazardVanishing, 0))
	leaks := must(p.Leaks())(t)
	state := must(tb.HazardState())(t)
	ok(t, tb.EndHazard())
	s := must(p.Status())(t)
	t.Logf("%d pages vanished, %d while they were read", state.Vanished, s.UnreadablePages)
	if state.Vanished != kmod.MaxVanished || s.UnreadablePages == 0 || s.UnreadablePages > state.Vanished || len(leaks) != 3 {
		t.Errorf("%d lines, %+v, %+v", len(leaks), state, s)
	}
	must(p.Leaks())(t)
	if s := must(p.Status())(t); s.UnreadablePages != 0 || s.ScanWords != size/8 {
		t.Errorf("with all pages back: %+v", s)
	}
}
