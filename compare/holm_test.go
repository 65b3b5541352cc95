// SPDX-License-Identifier: MIT

package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/perf/benchmath"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

// Computed by hand: of five tests in ascending order the p values are
// multiplied by 5, 4, 3, 2 and 1, and none may be below the one before.
//
//	0.005*5 = 0.025   0.011*4 = 0.044   0.02*3 = 0.06   0.04*2 = 0.08   0.13*1 = 0.13
//	0.01*3  = 0.03    0.02*2  = 0.04    0.03*1 = 0.03, which is below 0.04
func TestHolm(t *testing.T) {
	for _, test := range []struct{ p, want []float64 }{
		{nil, nil},
		{[]float64{0.04}, []float64{0.04}},
		{[]float64{0.011, 0.02, 0.005, 0.13, 0.04}, []float64{0.044, 0.06, 0.025, 0.13, 0.08}},
		{[]float64{0.01, 0.03, 0.02}, []float64{0.03, 0.04, 0.04}},
		{[]float64{0.9, 0.6}, []float64{1, 1}},
	} {
		got := holm(test.p)
		for i := range test.want {
			if !near(got[i], test.want[i]) {
				t.Errorf("holm(%v) is %v, want %v", test.p, got, test.want)
				break
			}
		}
	}
}

// What is said to be the smallest p value is that of samples which do not overlap.
func TestLeastP(t *testing.T) {
	for n1 := 1; n1 <= 8; n1++ {
		for n2 := 1; n2 <= 8; n2++ {
			var a, b []float64
			for i := range n1 {
				a = append(a, float64(i))
			}
			for i := range n2 {
				b = append(b, float64(100+i))
			}
			limits := benchmath.DefaultThresholds
			want := benchmath.AssumeNothing.Compare(benchmath.NewSample(a, &limits), benchmath.NewSample(b, &limits)).P
			if got := leastP(n1, n2); math.Abs(got-want) > 1e-9 {
				t.Errorf("%d and %d samples: %v, want %v", n1, n2, got, want)
			}
		}
	}
}

// Two samples of n that do not overlap give 2/(2n over n): 0.0286 for 4, 0.0079
// for 5, 0.0022 for 6. At 0.05 a single test needs 4. Of ten, where the rest says
// nothing, it must be 0.005 or less: 6. Where nine others are significant
// already, and more so, 4 are enough again.
func TestEnough(t *testing.T) {
	var idle, busy []float64
	for range 10 {
		idle, busy = append(idle, 1), append(busy, 1e-9)
	}
	busy[3] = 1
	for name, test := range map[string]struct {
		p    []float64
		want int
	}{
		"alone": {[]float64{1}, 4}, "beside nine that say nothing": {idle, 6}, "beside nine that are certain": {busy, 4},
	} {
		if got := enough(slices.Sorted(slices.Values(test.p)), 1, 0.05); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// That a test could have been significant is what Holm's procedure says when its
// p value is replaced.
func TestCanTell(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	said := map[bool]int{}
	for range 5000 {
		p := make([]float64, 1+r.IntN(6))
		for i := range p {
			p[i] = float64(r.IntN(20)) / 200 // some are equal
		}
		i, least := r.IntN(len(p)), float64(r.IntN(20))/200
		got := canTell(slices.Sorted(slices.Values(p)), p[i], least, 0.05)
		said[got]++
		replaced := slices.Clone(p)
		replaced[i] = least
		if want := holm(replaced)[i] <= 0.05; got != want {
			t.Fatalf("%v, %v in place of %v: %v", p, least, p[i], got)
		}
	}
	if said[true] < 100 || said[false] < 100 {
		t.Errorf("one answer is rare: %v", said)
	}
}

// The correction counts all noisy comparisons: what is significant alone is not
// beside nineteen others, and six samples are too few there.
func TestCorrectionCountsAllComparisons(t *testing.T) {
	one := func(unit string, plus float64) string {
		text := ""
		for i := range 5 {
			text += "BenchmarkX 1 " + exactly(100+plus+float64(i)) + " " + unit + "\n"
		}
		return text
	}
	old, next := one("a-ns/op", 0), one("a-ns/op", 50)
	units := "Unit a-ns/op better=lower\n"
	if r := compared(t, units+old, units+next, usual()); r.Comparisons[0].Verdict != Worse {
		t.Errorf("alone: %s, want worse", r.Comparisons[0].verdict())
	}
	for i := range 19 {
		same := one("other"+string(rune('a'+i)), 0)
		old, next = old+same, next+same
	}
	r := compared(t, units+old, units+next, usual())
	// 0.05/20 is 0.0025: six samples give 0.0022.
	if got, want := r.Comparisons[0].verdict(), "could not tell: 5 samples, at least 6 are needed"; got != want {
		t.Errorf("beside others: %s, want %s", got, want)
	}
}
