// SPDX-License-Identifier: MIT

package bench

import (
	"math"
	"testing"

	"kprof-bench/kmod"

	"github.com/google/go-cmp/cmp"
)

// heard is a module's account of calls in rounds of so many, each behind ten to
// warm up, of which one takes so many instructions.
func heard(average uint64, rounds ...uint64) probed {
	p := sound()
	p.issued, p.spans = 0, nil
	for _, n := range rounds {
		at := func(n uint64) reading {
			return reading{stat: kmod.Stat{Symbol: p.fn, AverageNs: average, Invocations: n}}
		}
		p.issued += n
		p.spans = append(p.spans, span{before: at(10), after: at(10 + n), issued: n})
	}
	p.count()
	return p
}

// Worked out by hand: of 120000 calls in a round one in as many is lost, and one in
// more need not be. An instruction is let pass, and an average of 68 becomes 66 with
// a hundredth more than one and a half less.
func TestSense(t *testing.T) {
	few := func(p probed) probed { p.issued++; return p }
	varied := func(truths ...float64) func(probed) probed {
		return func(p probed) probed { p.against(truths); return p }
	}
	for name, test := range map[string]struct {
		of     probed
		change func(probed) probed
		clock  Clock
		want   catches
	}{
		"getpid":               {heard(68, 10000, 10000, 10000, 120000), nil, ICount, catches{120000, 120000, 1.51}},
		"rounds alike":         {heard(68, 37500, 37500, 37500, 37500), nil, ICount, catches{37500, 37500, 1.51}},
		"reported too much":    {heard(69, 1000), nil, ICount, catches{1000, 1000, 2.51}}, // 70 would be found, and 67 is not
		"one call":             {heard(68, 1), nil, ICount, catches{1, 1, 1.51}},
		"time is noisy":        {heard(68, 1000), nil, TCG, catches{1000, 1000, 0}},
		"a call too few":       {heard(68, 1000), few, ICount, catches{0, 1000, 1.51}},
		"average is wrong":     {heard(78, 1000), nil, ICount, catches{1000, 1000, 0}},
		"only calls":           {heard(68, 1000), func(p probed) probed { p.costOnly = true; return p }, ICount, catches{1000, 1000, 0}},
		"no truth":             {heard(68, 1000), func(p probed) probed { p.against(nil); return p }, ICount, catches{1000, 1000, 0}},
		"others call it too":   {heard(68, 1000), func(p probed) probed { p.issued--; return p }, Native, catches{0, 1000, 0}},
		"a slack of 8":         {heard(100, 2), varied(97, 97, 103, 103), ICount, catches{2, 2, 12.51}}, // 4*sqrt(12*(1/4+1/2)) = 12, which is let pass
		"anything is let pass": {heard(100, 2), varied(10, 10, 190, 190), ICount, catches{2, 2, math.Inf(1)}},
	} {
		if test.change != nil {
			test.of = test.change(test.of)
		}
		if got := test.of.sense(test.clock); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// What sense says is what the checks do, to the call and to the hundredth.
func TestSenseAgreesWithTheChecks(t *testing.T) {
	p := heard(68, 1000, 2000)
	c := p.sense(ICount)
	for name, test := range map[string]struct {
		with fault
		want Verdict
	}{
		"calls":      {forgets(c.lost), Failed},
		"more calls": {forgets(c.lost + 1), Held},
		"longer":     {lengthens(c.length), Failed},
		"shorter":    {lengthens(-c.length), Failed},
		"less":       {lengthens(0.01 - c.length), Held},
	} {
		bad := false
		for _, check := range p.under(test.with).checks(ICount) {
			bad = bad || check.Verdict == Failed
		}
		if bad != (test.want == Failed) {
			t.Errorf("%s: a check fails: %v", name, bad)
		}
	}
}

// A check that holds whatever is reported is none, and one that fails all the
// same is kept.
func TestBluntChecks(t *testing.T) {
	p := heard(100, 2)
	p.against([]float64{10, 10, 190, 190})
	p.catches = p.sense(ICount)
	if c := p.checks(ICount)[1]; c.Verdict != Blunt {
		t.Errorf("%+v, want verdict %s", c, Blunt)
	}
	if _, ok := p.row().Value("catches-insn/op"); ok {
		t.Error("the row has an error that is caught")
	}
	p.average = 1000
	if c := p.checks(ICount)[1]; c.Verdict != Failed {
		t.Errorf("%+v, want verdict %s", c, Failed)
	}
}

// Where the address of a leak may lie in memory that was freed a check of it can
// find nothing.
func TestCatchesVerdict(t *testing.T) {
	for name, test := range map[string]struct {
		r     region
		clock Clock
		want  bool
	}{
		"all memory":            {allMemory(), ICount, true},
		"with what was freed":   {allMemory(), TCG, false},
		"a part of memory":      {dumped(listPage, bssPage), TCG, true},
		"one that has no leaks": {dumped(leakedPage, taggedPage, listPage, bssPage), TCG, true},
	} {
		leaks := rightReport()
		if got := catchesVerdict(test.r, leaks, plantedFour(), test.clock); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
		if diff := cmp.Diff(rightReport(), leaks); diff != "" {
			t.Errorf("%s: the report has changed (-was +is):\n%s", name, diff)
		}
	}
}
