// SPDX-License-Identifier: MIT

package changepoint

import (
	"cmp"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// change is the chance that two samples of one distribution differ so much: by
// their normal scores, and where all points of one would be spikes in the other, by
// what they are. A few points have no rank that would be less likely than another
// few have.
func change(a, b []float64) float64 {
	p := scoreTest(a, b)
	if farFrom(a, b) || farFrom(b, a) {
		p = min(p, tTest(a, b))
	}
	return p
}

// scoreTest is Student's test of normal scores: of the quantiles of a normal
// distribution that the ranks of the points have among all of both samples. It
// holds for noise of any distribution, and for normal noise it is nearly as
// powerful as [tTest].
func scoreTest(a, b []float64) float64 {
	scores := normalScores(slices.Concat(a, b))
	return tTest(scores[:len(a)], scores[len(a):])
}

func normalScores(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	scores := make([]float64, len(x))
	for i := 0; i < len(order); {
		same := i + 1
		for same < len(order) && x[order[same]] == x[order[i]] {
			same++
		}
		rank := float64(i+same+1) / 2 // of equal points, the middle one
		score := distuv.UnitNormal.Quantile(rank / float64(len(x)+1))
		for ; i < same; i++ {
			scores[order[i]] = score
		}
	}
	return scores
}
