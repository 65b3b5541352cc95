// SPDX-License-Identifier: MIT

package bench

import (
	"strings"
	"testing"

	"kprof-bench/workloads"
)

// seenCalls is of a system call with 1000 instructions in each of two rounds of a
// hundred calls, which take 673 more for whoever makes them.
func seenCalls() probed {
	p := heard(1000, 100, 100)
	p.fn, p.around = "sys_read", 673
	p.against(nil)
	for i := range p.spans {
		p.spans[i].caller = 1673
	}
	p.truth = p.seenTime()
	return p
}

func TestAverageAgainstTheCaller(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*probed)
		verdict Verdict
	}{
		"the same":                    {func(*probed) {}, Held},
		"reported too much":           {func(p *probed) { *p = p.under(lengthens(31)) }, Failed},
		"a little more":               {func(p *probed) { *p = p.under(lengthens(30)) }, Held},
		"too little":                  {func(p *probed) { *p = p.under(lengthens(-101)) }, Failed},
		"a little less":               {func(p *probed) { *p = p.under(lengthens(-99)) }, Held},
		"others ran on the way out":   {func(p *probed) { p.spans[0].caller = 5000 }, Held},
		"they did so in every round":  {func(p *probed) { p.spans[0].caller, p.spans[1].caller = 5000, 5000 }, Failed},
		"a round was shorter":         {func(p *probed) { p.spans[1].caller = 1673 - 31 }, Failed},
		"the others are right":        {func(p *probed) { p.spans[1].after.stat.AverageNs = 1050 }, Failed},
		"a round was not seen at all": {func(p *probed) { p.spans[1].caller = 0 }, Failed},
	} {
		p := seenCalls()
		test.change(&p)
		checks := p.averageChecks(ICount)
		if c := checks[0]; len(checks) != 1 || c.Verdict != test.verdict || !strings.HasSuffix(c.Name, "average by the caller's clock") {
			t.Errorf("%s: %+v, want %s", name, checks, test.verdict)
		}
	}
}

// What the testbed timed too is held against both, and what is calibrated by is not
// held against itself.
func TestWhoJudgesAnAverage(t *testing.T) {
	count := func(change func(*probed)) int {
		p := seenCalls()
		change(&p)
		return len(p.averageChecks(ICount))
	}
	for name, test := range map[string]struct {
		change func(*probed)
		want   int
	}{
		"calls that vary":        {func(*probed) {}, 1},
		"calls that are alike":   {func(p *probed) { p.against(repeat(1000, 100)) }, 2},
		"the one calibrated by":  {func(p *probed) { p.fn = calibrated; p.against(repeat(1000, 100)) }, 1},
		"nobody knows the ways":  {func(p *probed) { p.around = 0 }, 1},
		"known length, no calls": {func(p *probed) { p.n, p.around = 1, 0 }, 1},
	} {
		if got := count(test.change); got != test.want {
			t.Errorf("%s: %d checks, want %d", name, got, test.want)
		}
	}
}

// What is left for the way out may take any time, but the function no more than the
// caller saw.
func TestFunctionThatLeavesWork(t *testing.T) {
	for more, want := range map[float64]Verdict{740: Held, 0: Held, -31: Failed} {
		p := seenCalls()
		p.leaves = true
		for i := range p.spans {
			p.spans[i].caller += more
		}
		if c := p.checkCaller(); c.Verdict != want {
			t.Errorf("the caller sees %v more: %+v, want %s", more, c, want)
		}
	}
}

// Of calls that vary the testbed, which this lab does not even have, is not asked.
func TestTruthOfCallsThatVary(t *testing.T) {
	l := &lab{Options: Options{Clock: ICount}, load: load{threads: 1}, progress: func(string) {}}
	d := l.newDriven(targetsOf(t, "sys_clone")[0])
	if err := l.findTruth(t.Context(), d); err != nil || d.truth != nil {
		t.Errorf("truth is %v, %v, want none", d.truth, err)
	}
}

// By hand: 100 calls of 1700 and 300 of 1800 take 1775 on average.
func TestSeenTime(t *testing.T) {
	p := heard(1000, 100, 300)
	p.around = 673
	if p.seen() {
		t.Error("nobody has timed the calls, and they are said to be seen")
	}
	p.spans[0].caller, p.spans[1].caller = 1700, 1800
	if got := p.seenTime(); !p.seen() || got != 1775-673 {
		t.Errorf("a call is seen to take %v, want %v", got, 1775-673)
	}
}

// The smallest errors that are found are those which the checks let pass, and one
// more: rounded averages cost up to one.
func TestSenseByTheCaller(t *testing.T) {
	c := seenCalls().sense(ICount)
	if c.length < wayOut || c.length > wayOut+1.5 {
		t.Errorf("an error of %v is found, want one of a little more than %d", c.length, wayOut)
	}
}

// Where two know better, the sharper one finds the error: of 1000 instructions five are
// let pass by what the testbed found.
func TestSenseByBoth(t *testing.T) {
	p := seenCalls()
	p.against(repeat(1000, 100))
	if c := p.sense(ICount); c.length < 5 || c.length > 6.5 {
		t.Errorf("an error of %v is found, want one of a little more than 5", c.length)
	}
}

// Of a program with two calls of the target and one of another, the others' time is
// none of the target's.
func TestSeenByCaller(t *testing.T) {
	p := &workloads.Program{Ops: []workloads.Op{{Name: "brk"}, {Name: "read"}, {Name: "brk"}}}
	r := &workloads.Result{OpTicks: []float64{100, 5, 300}}
	brk := targetsOf(t, "sys_brk")[0]
	if got := seenByCaller(p, brk, r); got != 200 {
		t.Errorf("brk is seen to take %v, want 200", got)
	}
	for name, unseen := range map[string]float64{
		"not timed":          seenByCaller(p, brk, &workloads.Result{}),
		"no system call":     seenByCaller(p, targetsOf(t, "vfs_read")[0], r),
		"not in the program": seenByCaller(p, targetsOf(t, "sys_getpid")[0], r),
		"in another process": seenByCaller(&workloads.Program{Ops: []workloads.Op{{Name: "clone", Child: []workloads.Op{{Name: "brk"}}}, {Name: "brk"}}}, brk, r),
	} {
		if unseen != 0 {
			t.Errorf("%s: %v, want 0", name, unseen)
		}
	}
}

func TestAroundIsWhatTheCallerSeesMore(t *testing.T) {
	l := &lab{}
	p := heard(68, 100, 100, 100)
	for i, caller := range []float64{741, 740, 750} {
		p.spans[i].caller = caller
	}
	l.learnAround(&p, []float64{68, 68, 70})
	if got := l.around[p.backend]; got != 673 {
		t.Errorf("around a call are %v, want 673", got)
	}
}
