// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"slices"
	"testing"

	"kprof-bench/kmod"
	"kprof-bench/results"

	"github.com/google/go-cmp/cmp"
)

// Four blocks that must be reported, and one of a kind that must not. The
// pages lie in the vmalloc area, whose addresses begin with 0xffffc900.
const (
	leakedPage = 0xffffc90000000 + iota
	taggedPage
	listPage
	bssPage
	vzallocPage
	kernelPage // of nobody in the testbed
)

const (
	leakCaller = 0xffffffffc0100010
	heldCaller = 0xffffffffc0100020
)

func plantedFour() *plantedBlocks {
	return &plantedBlocks{
		blocks: map[uint64]plantedBlock{
			leakedPage: {kmod.Block{Class: "leaked"}, false, leakCaller},
			taggedPage: {kmod.Block{Class: "tagged"}, false, leakCaller},
			listPage:   {kmod.Block{Class: "list"}, true, heldCaller},
			bssPage:    {kmod.Block{Class: "bss"}, true, heldCaller},
		},
		others: map[uint64]string{vzallocPage: "vzalloc"},
	}
}

// rightReport is what a sound module says of them when it scans all memory.
func rightReport() []kmod.Leak {
	return []kmod.Leak{
		{Page: leakedPage, Verdict: kmod.PossibleLeak, IP: leakCaller},
		{Page: taggedPage, Verdict: kmod.PossibleLeak, IP: leakCaller},
		{Page: listPage, Verdict: kmod.NotFreedYet, IP: heldCaller},
		{Page: bssPage, Verdict: kmod.NotFreedYet, IP: heldCaller},
		{Page: kernelPage, Verdict: kmod.NotFreedYet, IP: 0xffffffff81000042},
	}
}

func allMemory() region { return region{label: "directmap"} }

// dumped is a region in which the words of these blocks lie.
func dumped(pages ...uint64) region {
	r := region{label: "bss", held: map[uint64]bool{}}
	for _, page := range pages {
		r.held[page] = true
	}
	return r
}

func TestChecksOfALeakScan(t *testing.T) {
	const verdicts, blocks, others, callers = "verdicts", "blocks", "other allocators", "callers"
	ok := func(name string) outcome { return outcome{name, Held, nil} }
	fine := []outcome{ok(verdicts), ok(blocks), ok(others), ok(callers)}
	but := func(changes ...outcome) []outcome {
		want := slices.Clone(fine)
		for _, c := range changes {
			want[slices.IndexFunc(want, func(o outcome) bool { return o.name == c.name })] = c
		}
		return want
	}
	invert := func(l *kmod.Leak) {
		if l.Verdict == kmod.PossibleLeak {
			l.Verdict = kmod.NotFreedYet
		} else {
			l.Verdict = kmod.PossibleLeak
		}
	}
	for name, test := range map[string]struct {
		region region
		clock  Clock
		change func([]kmod.Leak) []kmod.Leak
		want   []outcome
	}{
		"all is right": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak { return l },
			but(outcome{verdicts, Held, []string{"4 of 4"}})},
		"all verdicts are inverted": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak {
			for i := range l {
				invert(&l[i])
			}
			return l
		}, but(outcome{verdicts, Failed, []string{"0 of 4 are right; wrong are 1 of 1 bss, 1 of 1 leaked, 1 of 1 list, 1 of 1 tagged; the first is leaked block 0xffffc90000000000", "'not freed yet' although no pointer"}})},
		"a leak is not seen": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak { invert(&l[1]); return l },
			but(outcome{verdicts, Failed, []string{"3 of 4", "tagged block 0xffffc90000001000, 'not freed yet' although no pointer"}})},
		"a held block is called a leak": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak { invert(&l[2]); return l },
			but(outcome{verdicts, Failed, []string{"3 of 4", "list block 0xffffc90000002000, 'possible leak' although a pointer"}})},
		"the kernel's own are not judged": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak { invert(&l[4]); return l }, fine},
		"a caller is off by one": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak { l[3].IP--; return l },
			but(outcome{callers, Failed, []string{"1 blocks", "bss block 0xffffc90000003000", "0xffffffffc010001f instead of 0xffffffffc0100020"}})},
		"all callers are wrong": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak {
			for i := range l {
				l[i].IP = 0xffffffff81000042
			}
			return l
		}, but(outcome{callers, Failed, []string{"4 blocks", "0xffffffff81000042 instead of"}})},
		"a block is missing": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak { return l[1:] },
			but(outcome{blocks, Failed, []string{"1 planted", "leaked block 0xffffc90000000000"}})},
		"nothing is reported": {allMemory(), ICount, func([]kmod.Leak) []kmod.Leak { return nil },
			but(outcome{verdicts, Failed, []string{"0 of 0"}}, outcome{blocks, Failed, []string{"4 planted", "the first is bss block"}})},
		"a foreign block is reported": {allMemory(), ICount, func(l []kmod.Leak) []kmod.Leak {
			return append(l, kmod.Leak{Page: vzallocPage, Verdict: kmod.NotFreedYet, IP: heldCaller})
		}, but(outcome{others, Failed, []string{"1 blocks", "0xffffc90000004000 of vzalloc"}})},

		// In a part of memory a block is held when its address lies there.
		"a part of memory": {dumped(bssPage), ICount, func(l []kmod.Leak) []kmod.Leak { invert(&l[2]); return l }, fine},
		"held elsewhere, which the module must not know": {dumped(bssPage), ICount, func(l []kmod.Leak) []kmod.Leak { return l },
			but(outcome{verdicts, Failed, []string{"3 of 4", "list block 0xffffc90000002000"}})},
		"a stray word has a leak's address": {dumped(bssPage, leakedPage), ICount,
			func(l []kmod.Leak) []kmod.Leak { invert(&l[0]); invert(&l[2]); return l }, fine},

		// On several processors freed memory has addresses of planted blocks.
		"a leak's address may lie in freed memory": {allMemory(), TCG, func(l []kmod.Leak) []kmod.Leak { invert(&l[1]); return l },
			but(outcome{verdicts, NotJudged, []string{"1 of 2 leaks"}})},
		"all right on several processors": {allMemory(), TCG, func(l []kmod.Leak) []kmod.Leak { return l }, fine},
		"that is no excuse for a held block": {allMemory(), TCG, func(l []kmod.Leak) []kmod.Leak { invert(&l[1]); invert(&l[2]); return l },
			but(outcome{verdicts, Failed, []string{"2 of 4"}})},
		"nor where memory was dumped": {dumped(bssPage), TCG, func(l []kmod.Leak) []kmod.Leak { invert(&l[1]); invert(&l[2]); return l },
			but(outcome{verdicts, Failed, []string{"3 of 4", "tagged block"}})},
	} {
		t.Run(name, func(t *testing.T) {
			g := gradeRegion(test.region, test.change(rightReport()), plantedFour())
			want := slices.Clone(test.want)
			for i := range want {
				want[i].name = "leak scan of " + test.region.label + ": " + want[i].name
			}
			expect(t, g.checks(test.region, test.clock), want)
		})
	}
}

// Only where memory was freed on several processors may a leak have an address that
// nobody has cleared.
func TestResidueInAllMemory(t *testing.T) {
	const verdicts = "leak scan of bss: verdicts"
	everywhere, part, kernelBss := region{label: "bss"}, dumped(), dumped()
	kernelBss.Name = "kernel-bss"
	for name, test := range map[string]struct {
		grade  grade
		region region
		clock  Clock
		want   Verdict
	}{
		"none":                     {grade{right: 300, truePositive: 100}, everywhere, ICount, Held},
		"one":                      {grade{right: 299, wrong: 1, truePositive: 99, falseNegative: 1}, everywhere, ICount, Failed},
		"with a false alarm":       {grade{right: 298, wrong: 2, truePositive: 99, falseNegative: 1, falsePositive: 1}, everywhere, ICount, Failed},
		"a false alarm alone":      {grade{right: 299, wrong: 1, truePositive: 100, falsePositive: 1}, everywhere, ICount, Failed},
		"in a part of memory":      {grade{right: 299, wrong: 1, truePositive: 99, falseNegative: 1}, part, ICount, Failed},
		"in freed pages":           {grade{right: 299, wrong: 1, truePositive: 99, falseNegative: 1}, kernelBss, ICount, Failed},
		"the same, several CPUs":   {grade{right: 299, wrong: 1, truePositive: 99, falseNegative: 1}, kernelBss, TCG, NotJudged},
		"many, several processors": {grade{right: 250, wrong: 50, truePositive: 50, falseNegative: 50}, everywhere, TCG, NotJudged},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, []Check{test.grade.checkVerdicts(test.region, test.clock)}, []outcome{{verdicts, test.want, nil}})
		})
	}
}

func TestLeakScanRow(t *testing.T) {
	// 3 possible leaks are leaks and 1 is none: precision 3/4. 2 more leaks
	// are not called so: recall 3/5. A scan of 100 words takes 300.
	g := grade{truePositive: 3, falsePositive: 1, falseNegative: 2}
	r := region{label: "64MiB", scans: 3, ticks: []float64{299, 300, 4000}, words: 100}
	want := results.Row{
		Name:   "LeakScan",
		Params: []results.Param{{Key: "region", Value: "64MiB"}, {Key: "blocks", Value: "1003"}},
		Iters:  3,
		Values: []results.Value{{V: 300, Unit: "insn/op"}, {V: 3, Unit: "insn/word"}, {V: 0.75, Unit: "precision"}, {V: 0.6, Unit: "recall"}},
	}
	if diff := cmp.Diff(want, g.row(r, 1003)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if none := (grade{}); none.precision() != 1 || none.recall() != 1 {
		t.Errorf("of nothing: precision %v, recall %v, want 1 and 1", none.precision(), none.recall())
	}
}

func TestGradeCounts(t *testing.T) {
	leaks := rightReport()
	leaks[1].Verdict = kmod.NotFreedYet  // tagged
	leaks[2].Verdict = kmod.PossibleLeak // list
	g := gradeRegion(allMemory(), leaks, plantedFour())
	got := fmt.Sprintf("%d right, %d wrong, %d leaks found, %d not, %d called so",
		g.right, g.wrong, g.truePositive, g.falseNegative, g.falsePositive)
	if want := "2 right, 2 wrong, 1 leaks found, 1 not, 1 called so"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestCheckStatus(t *testing.T) {
	const scans, losses = "leak scan: scans", "leak scan: losses"
	before := kmod.Status{Scans: 7}
	for name, test := range map[string]struct {
		after kmod.Status
		want  []outcome
	}{
		"one scan for each reading": {kmod.Status{Scans: 9}, []outcome{{scans, Held, nil}, {losses, Held, []string{"none"}}}},
		"two scans for each reading": {kmod.Status{Scans: 11}, []outcome{
			{scans, Failed, []string{"read 2 times", "scanned 4 times"}}, {losses, Held, nil}}},
		"an old verdict shown again": {kmod.Status{Scans: 8}, []outcome{
			{scans, Failed, []string{"scanned 1 times"}}, {losses, Held, nil}}},
		"lost":        {kmod.Status{Scans: 9, Lost: 4}, []outcome{{scans, Held, nil}, {losses, Failed, []string{"lost 4"}}}},
		"missed":      {kmod.Status{Scans: 9, Missed: 5}, []outcome{{scans, Held, nil}, {losses, Failed, []string{"missed 5"}}}},
		"overwritten": {kmod.Status{Scans: 9, Overwritten: 6}, []outcome{{scans, Held, nil}, {losses, Failed, []string{"overwritten 6"}}}},
		"unreadable":  {kmod.Status{Scans: 9, UnreadablePages: 7}, []outcome{{scans, Held, nil}, {losses, Failed, []string{"unreadable pages 7"}}}},
		"stale":       {kmod.Status{Scans: 9, Stale: 8}, []outcome{{scans, Held, nil}, {losses, Failed, []string{"stale 8"}}}},
		"all of them": {kmod.Status{Scans: 9, Lost: 1, Missed: 2, Stale: 3}, []outcome{
			{scans, Held, nil}, {losses, Failed, []string{"lost 1, missed 2, stale 3"}}}},
		"what is no loss": {kmod.Status{Scans: 9, Live: 1, Allocated: 2, Freed: 1, UnknownFree: 3, ScanNs: 4, ScanWords: 5, DevicePages: 6, PoisonedPages: 7, BookkeepingWords: 8, FreePages: 9, IdleWords: 10},
			[]outcome{{scans, Held, nil}, {losses, Held, nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, checkStatus(before, test.after, 2), test.want)
		})
	}
}

func TestCheckPairs(t *testing.T) {
	before := kmod.Status{Allocated: 10, Freed: 4}
	for name, test := range map[string]struct {
		allocated, freed uint64
		want             Verdict
	}{
		"all":                     {410, 404, Held},
		"an allocation is missed": {409, 404, Failed},
		"a release is missed":     {410, 403, Failed},
		"others are seen too":     {411, 405, Failed},
		"none":                    {10, 4, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			words := []string{"400 pairs", fmt.Sprintf("%d allocations and %d releases", test.allocated-10, test.freed-4)}
			expect(t, checkPairs(before, kmod.Status{Allocated: test.allocated, Freed: test.freed}, 400),
				[]outcome{{"vmalloc and vfree: calls", test.want, words}})
		})
	}
}

func TestVmallocRow(t *testing.T) {
	p := pairs{base: []float64{8000, 8141, 9000}, hooked: []float64{8900}, with: []float64{8994, 8990, 12000}}
	want := results.Row{
		Name:   "VmallocPair",
		Params: []results.Param{{Key: "size", Value: "4096"}},
		Iters:  60,
		Values: []results.Value{{V: 8141, Unit: "base-insn/pair"}, {V: 8994, Unit: "probed-insn/pair"}, {V: 853, Unit: "overhead-insn/pair"}, {V: 759, Unit: "hooks-insn/pair"}},
	}
	if diff := cmp.Diff(want, p.row()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
