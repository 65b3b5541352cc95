// SPDX-License-Identifier: MIT

package workloads

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/montanaflynn/stats"
)

func TestParseRate(t *testing.T) {
	tests := map[string]struct {
		text   string
		perSec float64
		bad    bool
	}{
		"as fast as can be":         {text: "max", perSec: math.Inf(1)},
		"per second":                {text: "10000/s", perSec: 10000},
		"per millisecond":           {text: "3/ms", perSec: 3000},
		"per minute":                {text: "30/m", perSec: 0.5},
		"at random":                 {text: "poisson:10000/s", perSec: 10000},
		"in bursts":                 {text: "bursts:50:10000/s", perSec: 10000},
		"a ramp":                    {text: "ramp:10/s:1000/s", perSec: 505},
		"a ramp downwards":          {text: "ramp:1000/s:10/s", perSec: 505},
		"a slow ramp":               {text: "ramp:1/h:2/h", perSec: 1.5 / 3600},
		"at random without a rate":  {text: "poisson:", bad: true},
		"at random at most":         {text: "poisson:max", bad: true},
		"an empty burst":            {text: "bursts:0:10/s", bad: true},
		"bursts without a rate":     {text: "bursts:50", bad: true},
		"half a ramp":               {text: "ramp:10/s", bad: true},
		"a ramp to the top":         {text: "ramp:10/s:max", bad: true},
		"unknown way":               {text: "uniform:10/s", bad: true},
		"per hour":                  {text: "9/h", perSec: 0.0025},
		"one call per nanosecond":   {text: "1000000000/s", perSec: 1e9},
		"more than that":            {text: "1000001/ms", bad: true},
		"empty":                     {text: "", bad: true},
		"no unit":                   {text: "10000", bad: true},
		"empty unit":                {text: "10000/", bad: true},
		"unknown unit":              {text: "10000/d", bad: true},
		"no number":                 {text: "/s", bad: true},
		"zero":                      {text: "0/s", bad: true},
		"leading zero":              {text: "010/s", bad: true},
		"negative":                  {text: "-1/s", bad: true},
		"signed":                    {text: "+1/s", bad: true},
		"fraction":                  {text: "0.5/s", bad: true},
		"space":                     {text: "1 /s", bad: true},
		"two slashes":               {text: "1/s/s", bad: true},
		"other capitals":            {text: "MAX", bad: true},
		"number beyond all numbers": {text: "99999999999999999999/s", bad: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRate(test.text)
			if (err != nil) != test.bad {
				t.Fatalf("error %v, want one: %v", err, test.bad)
			}
			if test.bad {
				return
			}
			if r.String() != test.text {
				t.Errorf("String() is %q, want %q", r, test.text)
			}
			if got := r.PerSec(); math.Abs(got-test.perSec) > 1e-6 {
				t.Errorf("PerSec() is %g, want %g", got, test.perSec)
			}
			if r.IsMax() != math.IsInf(test.perSec, 1) {
				t.Errorf("IsMax() is %v", r.IsMax())
			}
		})
	}
}

func TestDeadlinesCarryNoError(t *testing.T) {
	rate := func(text string) Rate {
		r, err := ParseRate(text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	tests := map[string]struct {
		rate     Rate
		n        int
		perRound int
		want     []int64
	}{
		"whole interval":          {rate("1000/s"), 3, 1, []int64{1e6, 2e6, 3e6}},
		"interval with a remnant": {rate("3/s"), 6, 1, []int64{333333333, 666666666, 1e9, 1333333333, 1666666666, 2e9}},
		"two calls in a round":    {rate("3/s"), 3, 2, []int64{666666666, 1333333333, 2e9}},
		"slow":                    {rate("1/h"), 2, 1, []int64{3600e9, 7200e9}},
		"bursts":                  {rate("bursts:2:1000/s"), 5, 1, []int64{2e6, 2e6, 4e6, 4e6, 5e6}},
		"bursts of whole rounds":  {rate("bursts:4:1000/s"), 3, 2, []int64{4e6, 4e6, 6e6}},
		"rounds above a burst":    {rate("bursts:1:1000/s"), 2, 2, []int64{2e6, 4e6}},
		// From 1/s to 3/s in a second: after t seconds t+t*t calls.
		"ramp":              {rate("ramp:1/s:3/s"), 2, 1, []int64{618033989, 1e9}},
		"ramp that is flat": {rate("ramp:2/s:2/s"), 4, 1, []int64{5e8, 1e9, 15e8, 2e9}},
		"none":              {rate("1/h"), 0, 1, []int64{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.rate.deadlines(test.n, test.perRound)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("deadlines in ns (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := rate("1/h").deadlines(800_000, 1); err == nil {
		t.Error("no error for a run of 91 years")
	}
	if _, err := (Rate{calls: 1, period: math.MaxInt64}).deadlines(1_000_000, 1000); err == nil {
		t.Error("no error for a run that overflows")
	}
}

// Arrivals at random: the gaps have the mean and the deviation of an exponential
// distribution, which are the same, and do not depend on those before them.
func TestRandomArrivals(t *testing.T) {
	r, err := ParseRate("poisson:1000/s")
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	due, err := r.deadlines(n, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(due) || due[n-1] != n*1e6 {
		t.Errorf("not in order, or the last is due after %d ns", due[n-1])
	}
	gaps := make([]float64, n)
	for i := range gaps[1:] {
		gaps[i+1] = float64(due[i+1]-due[i]) / 1e6
	}
	gaps = gaps[1:]
	mean, err := stats.Mean(gaps)
	if err != nil || math.Abs(mean-1) > 0.02 {
		t.Errorf("mean gap %v ms, want 1: %v", mean, err)
	}
	if dev, err := stats.StandardDeviationSample(gaps); err != nil || math.Abs(dev-1) > 0.02 {
		t.Errorf("deviation of gaps %v ms, want 1: %v", dev, err)
	}
	if c, err := stats.Correlation(gaps[1:], gaps[:len(gaps)-1]); err != nil || math.Abs(c) > 0.02 {
		t.Errorf("correlation of neighbours %v, want none: %v", c, err)
	}
}

func TestLatenessIsFromTheIntendedStart(t *testing.T) {
	// Two ticks for each ns; the clocks were 1000 ticks and 5000 ns.
	clocks := clockPair{Stamp{1000, 5000}, Stamp{21000, 15000}}
	const start = 6000 // so tick 3000
	ticks := func(ns uint64) uint64 { return 3000 + 2*ns }
	due := []int64{100, 200, 300, 400}
	tests := map[string]struct {
		startedNs []uint64 // after start
		late      []time.Duration
		overrun   int
	}{
		"on time":                       {[]uint64{100, 200, 300, 400}, []time.Duration{0, 0, 0, 0}, 0},
		"one is late, the next is not":  {[]uint64{100, 270, 300, 400}, []time.Duration{0, 70, 0, 0}, 0},
		"one is late and delays others": {[]uint64{100, 520, 530, 540}, []time.Duration{0, 320, 230, 140}, 2},
		"just not overrun":              {[]uint64{200, 300, 400, 999}, []time.Duration{100, 100, 100, 599}, 0},
		"stopped early":                 {[]uint64{301}, []time.Duration{201}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var started []uint64
			for _, ns := range test.startedNs {
				started = append(started, ticks(ns))
			}
			took := make([]uint64, len(started))
			for i := range took {
				took[i] = uint64(20 * i) // 0, 10, 20, 30 ns
			}
			p := pacing(clocks, start, due, started, took)
			if diff := cmp.Diff(test.late, p.late); diff != "" {
				t.Errorf("late by (-want +got):\n%s", diff)
			}
			if p.overrun != test.overrun {
				t.Errorf("overrun %d, want %d", p.overrun, test.overrun)
			}
			for i, late := range test.late {
				if want := late + time.Duration(10*i); p.latencies[i] != want {
					t.Errorf("round %d ended %v after its deadline, want %v", i, p.latencies[i], want)
				}
			}
			if want := int64(test.startedNs[len(started)-1]); p.lastStart != want {
				t.Errorf("the last round started after %d ns, want %d", p.lastStart, want)
			}
		})
	}
}

func TestParseRates(t *testing.T) {
	for text, test := range map[string]struct {
		want string
		open bool
	}{
		"max":               {"max", false},
		"poisson:10/s":      {"poisson:10/s", false},
		"10/s..1000/s":      {"10/s 100/s 1000/s", false},
		"3/ms..50/ms":       {"3/ms 30/ms 50/ms", false},
		"30/m..10/s":        {"30/m 300/m 10/s", false},
		"10000000/s..max":   {"10000000/s max", true},
		"100000000/s..max":  {"", false},
		"10/s..10/s":        {"", false},
		"10/s..5/s":         {"", false},
		"max..10/s":         {"", false},
		"10/s..":            {"", false},
		"..10/s":            {"", false},
		"10/s..poisson:5/s": {"", false},
		"1/s..2/s..3/s":     {"", false},
	} {
		rates, open, err := ParseRates(text)
		if (err == nil) != (test.want != "") || open != test.open {
			t.Errorf("%s: open is %v, error %v", text, open, err)
		}
		var got []string
		for _, r := range rates {
			got = append(got, r.String())
			if again, err := ParseRate(r.String()); err != nil || again != r {
				t.Errorf("%s: %+v reads as %+v, %v", text, r, again, err)
			}
		}
		if s := strings.Join(got, " "); err == nil && s != test.want {
			t.Errorf("%s is %s, want %s", text, s, test.want)
		}
	}
}
