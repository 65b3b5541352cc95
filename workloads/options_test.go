// SPDX-License-Identifier: MIT

package workloads

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	measuredOp = Op{Nr: 1, Measured: true}
	otherOp    = Op{Nr: 2}
)

func TestPlan(t *testing.T) {
	one := []Op{measuredOp}
	two := []Op{measuredOp, otherOp, measuredOp}
	tests := map[string]struct {
		ops  []Op
		o    Options
		want plan
	}{
		"defaults":                 {one, Options{Calls: 2000}, plan{perRound: 1, rounds: 2000, batch: 500, timed: 4}},
		"fewer calls than a batch": {one, Options{Calls: 3}, plan{perRound: 1, rounds: 3, batch: 3, timed: 1}},
		"calls left over":          {one, Options{Calls: 25, Batch: 10}, plan{perRound: 1, rounds: 25, batch: 10, timed: 2, tail: 5}},
		"two measured in a round":  {two, Options{Calls: 26, Batch: 10}, plan{perRound: 2, rounds: 13, batch: 5, timed: 2, tail: 3}},
		"paced":                    {two, Options{Calls: 6, Batch: 2, Rate: Rate{calls: 2, period: time.Second}}, plan{perRound: 2, rounds: 3, batch: 1, timed: 3, due: []int64{1e9, 2e9, 3e9}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := onePlan(&Program{Ops: test.ops}, test.o)
			if err != nil {
				t.Fatal(err)
			}
			test.want.size, test.want.quiesce = 64<<10, 50*time.Millisecond
			if diff := cmp.Diff(&test.want, got, cmp.AllowUnexported(plan{})); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	two := []Op{measuredOp, measuredOp}
	tests := map[string]struct {
		ops  []Op
		o    Options
		says string
	}{
		"no program":              {nil, Options{Calls: 1}, "empty"},
		"nothing measured":        {[]Op{otherOp}, Options{Calls: 1}, "no measured call"},
		"no calls":                {two, Options{}, "0 calls"},
		"too many calls":          {two, Options{Calls: 1 << 40}, "must be 1 to"},
		"half a round":            {two, Options{Calls: 3}, "multiple of 2"},
		"half a round in a batch": {two, Options{Calls: 4, Batch: 1}, "multiple of 2"},
		"negative batch":          {two, Options{Calls: 4, Batch: -2}, "batch of -2"},
		"negative warm-up":        {two, Options{Calls: 4, Warmup: -1}, "-1 warm-up"},
		"a port when paced":       {two, Options{Calls: 4, Port: 0x505, Rate: Rate{calls: 2, period: time.Second}}, "at rate max"},
		"negative observe size":   {two, Options{Calls: 4, ObserveSize: -1}, "-1 bytes"},
		"pace without end":        {two, Options{Calls: 1 << 30, Rate: Rate{calls: 1, period: time.Hour}}, "longer than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := onePlan(&Program{Ops: test.ops}, test.o)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

func TestCallTicksLeaveOutTheLoop(t *testing.T) {
	r := &Result{Ticks: []uint64{1010, 1510, 5}, LoopTicks: 10, Batch: 100}
	if diff := cmp.Diff([]float64{10, 15, -0.05}, r.CallTicks()); diff != "" {
		t.Errorf("ticks of a call (-want +got):\n%s", diff)
	}
}

func TestLatenessSummary(t *testing.T) {
	for _, test := range []struct {
		late         []time.Duration
		median, most time.Duration
	}{
		{nil, 0, 0},
		{[]time.Duration{7}, 7, 7},
		{[]time.Duration{9, 1, 5}, 5, 9},
	} {
		r := &Result{Late: test.late}
		if median, most := r.Lateness(); median != test.median || most != test.most {
			t.Errorf("%v: median %d, most %d, want %d and %d", test.late, median, most, test.median, test.most)
		}
		if len(test.late) == 3 && test.late[0] != 9 {
			t.Error("Lateness sorted the samples in place")
		}
	}
}

func onePlan(p *Program, o Options) (*plan, error) {
	all, err := newPlans([]*Program{p}, o)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Programs that run together share one schedule, in turn.
func TestPlansOfATeam(t *testing.T) {
	call := Op{Nr: 39, Measured: true}
	one, two := &Program{Ops: []Op{call}}, &Program{Ops: []Op{call, call}}
	rate, err := ParseRate("1000/s")
	if err != nil {
		t.Fatal(err)
	}
	all, err := newPlans([]*Program{one, one, one}, Options{Calls: 2, Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	for i, pl := range all {
		if diff := cmp.Diff([]int64{int64(i+1) * 1e6, int64(i+4) * 1e6}, pl.due); diff != "" {
			t.Errorf("deadlines of program %d (-want +got):\n%s", i, diff)
		}
	}
	if _, err := newPlans([]*Program{one, two}, Options{Calls: 2, Rate: rate}); err == nil {
		t.Error("programs whose rounds differ share a rate")
	}
	if _, err := newPlans(nil, Options{Calls: 2}); err == nil {
		t.Error("no program is run")
	}
}
