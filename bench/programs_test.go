// SPDX-License-Identifier: MIT

package bench

import (
	"strings"
	"testing"

	"kprof-bench/counters"
)

// vfsRead is what programs found of 2000 calls, with 173 instructions of their own.
func vfsRead(t *testing.T) *programmed {
	t.Helper()
	return &programmed{
		target: targetsOf(t, "vfs_read")[0], issued: 2000, seen: counters.Count{Calls: 2000, Own: 2000, Timed: 2000},
		averages: []float64{492, 492, 516, 492, 492}, bias: 173,
	}
}

func TestAverageAgainstPrograms(t *testing.T) {
	for name, test := range map[string]struct {
		average float64
		change  func(*programmed)
		verdict Verdict
		says    string
	}{
		"the same":               {319.1, nil, Held, "profiler.ko reports 319.1 insn, BPF programs 319.0 (±1.6)"},
		"too long":               {321.5, nil, Failed, "reports 321.5"},
		"too short":              {317.3, nil, Failed, "reports 317.3"},
		"calls differ":           {325, func(p *programmed) { p.varies = 0.002 }, Held, "(±9.6)"},
		"calls differ much":      {319, func(p *programmed) { p.varies = 0.02 }, NotJudged, "of calls that differ by 2 %"},
		"arguments on the stack": {319, func(p *programmed) { p.words = 7 }, NotJudged, "on the stack"},
		"no programs":            {319, func(p *programmed) { p.lacking = "no BTF" }, NotJudged, "times this function: no BTF"},
	} {
		programs := vfsRead(t)
		if test.change != nil {
			test.change(programs)
		}
		p := probed{average: test.average, reported: 150000, programs: programs}
		if c := p.judgeAverage(name); c.Verdict != test.verdict || !strings.Contains(c.Detail, test.says) {
			t.Errorf("%s: %+v, want %s, %q", name, c, test.verdict, test.says)
		}
	}
	p := probed{average: 319, reported: 150000}
	if c := p.judgeAverage("not asked"); c.Verdict != NotJudged {
		t.Errorf("%+v, want one that is not judged", c)
	}
}

// One call that one of them misses or has too much is seen.
func TestProgramsAgainstTheGenerator(t *testing.T) {
	for name, test := range map[string]struct {
		seen    counters.Count
		verdict Verdict
	}{
		"all":                {counters.Count{Calls: 2000, Own: 2000, Timed: 2000}, Held},
		"one not counted":    {counters.Count{Calls: 1999, Own: 1999, Timed: 1999}, Failed},
		"one not timed":      {counters.Count{Calls: 2000, Own: 2000, Timed: 1999}, Failed},
		"one of somebody":    {counters.Count{Calls: 2001, Own: 2000, Timed: 2000}, Failed},
		"one twice":          {counters.Count{Calls: 2001, Own: 2001, Timed: 2001}, Failed},
		"one not by its own": {counters.Count{Calls: 2000, Own: 1999, Timed: 1999}, Failed},
	} {
		p := vfsRead(t)
		p.seen = test.seen
		checks := p.checks()
		if len(checks) != 1 || checks[0].Verdict != test.verdict {
			t.Errorf("%s: %+v, want one that is %s", name, checks, test.verdict)
		}
	}
	p := vfsRead(t)
	p.missed = 1
	if checks := p.checks(); checks[0].Verdict != Failed {
		t.Errorf("a call that was missed: %+v", checks)
	}
	p = vfsRead(t)
	p.lacking = "why"
	if checks := p.checks(); len(checks) != 1 || checks[0].Verdict != NotSupported || checks[0].Detail != "why" {
		t.Errorf("without programs: %+v", checks)
	}
}

// Of runs with calls of 319, 173 more for the programs and 200 for the caller, one in
// which nobody else ran on the way out is enough.
func TestProgramsAgainstTheCaller(t *testing.T) {
	for name, test := range map[string]struct {
		caller []float64
		want   Verdict
	}{
		"alike":             {[]float64{692, 692, 716, 692, 692}, Held},
		"way in is shorter": {[]float64{662, 692, 716, 692, 692}, Held},
		"far shorter":       {[]float64{661, 692, 716, 692, 692}, Failed},
		"others ran once":   {[]float64{692, 9999, 716, 692, 692}, Held},
		"others ran always": {[]float64{9999, 9999, 9999, 9999, 9999}, Failed},
		"way out is longer": {[]float64{792, 792, 816, 792, 792}, Held},
		"and longer":        {[]float64{793, 793, 817, 793, 793}, Failed},
	} {
		p := vfsRead(t)
		p.caller, p.beside = test.caller, 200
		checks := p.checks()
		if c := checks[len(checks)-1]; len(checks) != 2 || c.Verdict != test.want {
			t.Errorf("%s: %+v, want %s", name, checks, test.want)
		}
	}
	p := vfsRead(t)
	p.caller, p.beside = make([]float64, 5), 200
	if checks := p.checks(); len(checks) != 1 {
		t.Errorf("where the caller knows nothing: %+v", checks)
	}
}

// Without a tick nothing is spread, and one that falls into a batch does not matter.
func TestSpread(t *testing.T) {
	if got := spread([]float64{655, 655, 655, 690}); got != 0 {
		t.Errorf("spread is %v, want 0", got)
	}
	if got := spread([]float64{98, 99, 100, 101, 102}); got < 0.0148 || got > 0.0149 {
		t.Errorf("spread is %v, want 0.014826", got)
	}
}

func TestCalibration(t *testing.T) {
	l := &lab{}
	getpid := &programmed{target: targetsOf(t, calibrated)[0], averages: []float64{238, 238, 239}}
	l.calibrate(getpid, []float64{68, 68, 70})
	read := target{fn: "vfs_read", words: 4}
	if bias, err := l.programBias(t.Context(), read); err != nil || bias != 173 {
		t.Errorf("bias is %v, %v, want 170 and 3 for three arguments more", bias, err)
	}
}
