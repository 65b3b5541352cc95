// SPDX-License-Identifier: MIT

package bench

import (
	"strings"
	"testing"
	"time"

	"kprof-bench/workloads"

	"github.com/google/go-cmp/cmp"
)

// pacedAt is how calls went for which 10,000 calls/s were asked.
func pacedAt(achieved, late float64, latencies ...int64) pace {
	p := newPace()
	p.asked, p.achieved, p.late = 10_000, achieved, late
	for _, ns := range latencies {
		if err := p.latency.RecordValue(ns); err != nil {
			panic(err)
		}
	}
	return p
}

func TestPace(t *testing.T) {
	rate, err := workloads.ParseRate("1000/s")
	if err != nil {
		t.Fatal(err)
	}
	p := newPace()
	p.add(&workloads.Result{Achieved: 1e9}) // as fast as can be
	if p.asked != 0 || p.latency.TotalCount() != 0 {
		t.Errorf("calls that are not paced count: %+v", p)
	}
	p.add(&workloads.Result{Asked: rate, Achieved: 998, Late: []time.Duration{5, 7}, Latencies: []time.Duration{-3, 50 * time.Millisecond}})
	p.add(&workloads.Result{Asked: rate, Achieved: 999, Late: []time.Duration{6}, Latencies: []time.Duration{time.Hour}})
	if p.asked != 1000 || p.achieved != 998 || p.late != 7 || p.latency.TotalCount() != 3 {
		t.Errorf("%+v", p)
	}
	if m := time.Duration(p.latency.ValueAtPercentile(50)); m < 49*time.Millisecond || m > 51*time.Millisecond {
		t.Errorf("the median is %v", m)
	}
}

func TestCheckOfARate(t *testing.T) {
	for name, test := range map[string]struct {
		achieved  float64
		clock     Clock
		mayBeSlow bool
		want      Verdict
		detail    string
	}{
		"held":                  {9991, ICount, false, Held, "asked for were 10000 calls/s, made were 9991"},
		"too slow":              {9989, ICount, false, Failed, "--allow-slow"},
		"too fast":              {10011, ICount, false, Failed, "made were 10011"},
		"too slow, accepted":    {9989, ICount, true, NotJudged, "accepted"},
		"held, in any case":     {9991, ICount, true, Held, ""},
		"held in real time":     {9901, KVM, false, Held, ""},
		"too slow in real time": {9899, Native, false, Failed, ""},
		"without real time":     {5000, TCG, false, NotJudged, "nothing to quote"},
	} {
		c := pacedAt(test.achieved, 0).check("f by direct", test.clock, test.mayBeSlow)
		if c.Verdict != test.want || c.Name != "f by direct: rate" || !strings.Contains(c.Detail, test.detail) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestLoads(t *testing.T) {
	for name, test := range map[string]struct {
		o    Options
		want []string
		err  string
	}{
		"one":       {Options{Rate: "max"}, []string{"max by 1"}, ""},
		"a sweep":   {Options{Rate: "10/s..1000/s"}, []string{"10/s by 1", "100/s by 1", "1000/s by 1"}, ""},
		"threads":   {Options{Rate: "5/s", Threads: []int{1, 2}}, []string{"5/s by 1", "5/s by 2"}, ""},
		"no thread": {Options{Rate: "max", Threads: []int{0}}, nil, "0 threads"},
		"no rate":   {Options{Rate: "fast"}, nil, "no number of calls"},
	} {
		loads, _, err := test.o.loads()
		if (test.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v", name, err)
		}
		var got []string
		for _, l := range loads {
			got = append(got, l.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A sweep without end goes on to as many calls as can be made, once a rate was not
// held.
func TestASweepFindsItsEnd(t *testing.T) {
	l := &lab{Options: Options{Rate: "1000/s..max", Threads: []int{1, 2}}}
	var done []string
	err := l.atEach(func() error {
		done = append(done, l.load.String())
		l.slow = l.rate.PerSec() > 50_000 && l.threads == 1
		return nil
	})
	if err != nil || !l.sweep {
		t.Errorf("error %v, sweep %v", err, l.sweep)
	}
	want := []string{"1000/s by 1", "10000/s by 1", "100000/s by 1", "max by 1"}
	if diff := cmp.Diff(want, done[:4]); diff != "" || len(done) != 4+6 {
		t.Errorf("%v (-want +got):\n%s", done, diff)
	}
}
