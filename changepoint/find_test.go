// SPDX-License-Identifier: MIT

package changepoint

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// place is what tests compare of a change.
type place struct {
	Kind Kind
	At   int
}

func places(changes []Change) []place {
	var all []place
	for _, c := range changes {
		all = append(all, place{c.Kind, c.At})
	}
	return all
}

// noisy adds noise to a level that depends on the night.
func noisy(n int, seed uint64, level func(i int) float64) []float64 {
	r := rand.New(rand.NewPCG(30, seed))
	x := make([]float64, n)
	for i := range x {
		x[i] = level(i) * (1 + 0.01*r.NormFloat64())
	}
	return x
}

// after is a level that is another from a night on.
func after(at int, before, after float64) func(int) float64 {
	return func(i int) float64 {
		if i < at {
			return before
		}
		return after
	}
}

func TestKinds(t *testing.T) {
	rising := func(i int) float64 { return 1000 + float64(i) } // 20 % in 200 nights
	for name, test := range map[string]struct {
		x    []float64
		want []place
	}{
		"flat":                {noisy(200, 1, after(0, 0, 1000)), nil},
		"a step":              {noisy(200, 2, after(120, 1000, 1100)), []place{{Step, 120}}},
		"a step back":         {noisy(200, 3, after(120, 1100, 1000)), []place{{Step, 120}}},
		"of zeros":            {make([]float64, 50), nil},
		"all the same":        {noisy(50, 0, func(int) float64 { return 0 }), nil},
		"exact":               {slices.Concat(slices.Repeat([]float64{4}, 20), slices.Repeat([]float64{5}, 20)), []place{{Step, 20}}},
		"a spike":             {withAt(noisy(200, 4, after(0, 0, 1000)), 77, 1500), []place{{Spike, 77}}},
		"two of them":         {withAt(withAt(noisy(200, 4, after(0, 0, 1000)), 77, 1500), 78, 1490), []place{{Spike, 77}}},
		"a spike down":        {withAt(noisy(200, 4, after(0, 0, 1000)), 77, 700), []place{{Spike, 77}}},
		"a spike by a step":   {withAt(noisy(200, 5, after(120, 1000, 1100)), 117, 2000), []place{{Spike, 117}, {Step, 120}}},
		"a drift":             {noisy(200, 6, rising), []place{{Drift, 199}}},
		"a drift down":        {noisy(200, 6, func(i int) float64 { return rising(199 - i) }), []place{{Drift, 199}}},
		"two steps up":        {noisy(200, 7, func(i int) float64 { return after(60, 1000, 1050)(i) + after(140, 0, 50)(i) }), []place{{Step, 60}, {Step, 140}}},
		"a week of slowness":  {noisy(200, 8, func(i int) float64 { return after(100, 1000, 1100)(i) - after(107, 0, 100)(i) }), []place{{Step, 100}, {Step, 107}}},
		"the last three":      {noisy(103, 9, after(100, 1000, 1200)), []place{{Step, 100}}},
		"the last one":        {noisy(101, 9, after(100, 1000, 1200)), []place{{Spike, 100}}},
		"just enough":         {noisy(Enough(Options{}), 11, after(10, 1000, 1500)), []place{{Step, 10}}},
		"too few for a step":  {noisy(4, 10, after(2, 1000, 1200)), nil},
		"one":                 {[]float64{1}, nil},
		"none":                {nil, nil},
		"many that are equal": {slices.Concat(slices.Repeat([]float64{10, 10, 10, 11}, 10), slices.Repeat([]float64{13}, 10)), []place{{Step, 40}}},
	} {
		if diff := cmp.Diff(test.want, places(Find(test.x, Options{})), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func withAt(x []float64, at int, v float64) []float64 {
	y := slices.Clone(x)
	y[at] = v
	return y
}

// The sizes of a step and of a drift are told, and the chance of it.
func TestSizes(t *testing.T) {
	step := Find(noisy(200, 2, after(120, 1000, 1100)), Options{})[0]
	drift := Find(noisy(200, 6, func(i int) float64 { return 1000 + float64(i) }), Options{})[0]
	for name, c := range map[string]struct {
		got    Change
		before float64
		after  float64
	}{"step": {step, 1000, 1100}, "drift": {drift, 1000, 1199}} {
		near := cmpopts.EquateApprox(0.01, 0)
		if !cmp.Equal(c.got.Before, c.before, near) || !cmp.Equal(c.got.After, c.after, near) || c.got.P <= 0 || c.got.P > 1e-4 {
			t.Errorf("%s: %+v, want %v and %v", name, c.got, c.before, c.after)
		}
	}
}

// Where a series changes does not depend on its unit, nor, without a floor, on what
// is added to all of it; turned upside down or around it has the same changes.
func TestSymmetries(t *testing.T) {
	o := Options{Magnitude: 1e-12}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(40, seed))
		first, second := 30+r.IntN(60), 110+r.IntN(60)
		x := noisy(200, seed, func(i int) float64 { return after(first, 1000, 1100)(i) + after(second, 0, -60)(i) })
		want := places(Find(x, o))
		if len(want) != 2 {
			t.Fatalf("seed %d: %v, want steps at %d and %d", seed, want, first, second)
		}
		for name, f := range map[string]func(float64) float64{
			"scaled":      func(v float64) float64 { return 1024 * v },
			"shifted":     func(v float64) float64 { return v + 4096 },
			"upside down": func(v float64) float64 { return -v },
		} {
			y := make([]float64, len(x))
			for i, v := range x {
				y[i] = f(v)
			}
			if diff := cmp.Diff(want, places(Find(y, o))); diff != "" {
				t.Errorf("seed %d %s (-want +got):\n%s", seed, name, diff)
			}
		}
		back := slices.Clone(x)
		slices.Reverse(back)
		got := places(Find(back, o))
		slices.Reverse(got)
		for i := range got {
			got[i].At = len(x) - got[i].At
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d turned around (-want +got):\n%s", seed, diff)
		}
	}
}

// By the sums of its definition, the energy distance of all splits.
func TestCandidate(t *testing.T) {
	for seed := range uint64(20) {
		x := noisy(12, seed, after(int(seed)%12, 10, 12))
		for _, least := range []int{1, 2, 3} {
			wantAt, wantQ := slowCandidate(x, least)
			at, q := candidate(x, least)
			if at != wantAt || !cmp.Equal(q, wantQ, cmpopts.EquateApprox(1e-9, 0)) {
				t.Errorf("seed %d, least %d: %d, %v, want %d, %v", seed, least, at, q, wantAt, wantQ)
			}
		}
	}
}

func slowCandidate(x []float64, least int) (at int, q float64) {
	mean := func(a, b []float64, skip int) float64 {
		sum, pairs := 0.0, 0
		for i, v := range a {
			for j, w := range b {
				if skip == 0 || i < j {
					sum, pairs = sum+max(v-w, w-v), pairs+1
				}
			}
		}
		return sum / float64(max(pairs, 1))
	}
	for tau := least; tau <= len(x)-least; tau++ {
		for end := tau + least; end <= len(x); end++ {
			a, b := x[:tau], x[tau:end]
			n, m := float64(len(a)), float64(len(b))
			v := n * m / (n + m) * (2*mean(a, b, 0) - mean(a, a, 1) - mean(b, b, 1))
			if v > q {
				at, q = tau, v
			}
		}
	}
	return at, q
}
