// SPDX-License-Identifier: MIT

package bisect

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// Whichever is the first bad one, it is found in as many steps as its number has
// bits.
func TestSearch(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for first := range n {
			r, err := Search(n, func(i int) (bool, error) { return i >= first, nil })
			if err != nil || !r.Found() || r.Bad != first || r.Tried > bits.Len(uint(n-1)) {
				t.Errorf("%d of %d: %+v, %v", first, n, r, err)
			}
		}
	}
}

// What could not be tried is never named alone, and what is left over is only what
// could not.
func TestSearchSkips(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		n := 1 + r.IntN(30)
		first := r.IntN(n)
		broken := make([]bool, n)
		for i := range n - 1 {
			broken[i] = r.IntN(3) == 0
		}
		got, err := Search(n, func(i int) (bool, error) {
			if broken[i] {
				return false, fmt.Errorf("it does not build: %w", ErrSkip)
			}
			return i >= first, nil
		})
		if err != nil || first <= got.Good || first > got.Bad {
			t.Fatalf("%d of %d, broken %v: %+v, %v", first, n, broken, got, err)
		}
		for i := got.Good + 1; i < got.Bad; i++ {
			if !broken[i] {
				t.Errorf("%d of %d, broken %v: %+v, and %d was not tried", first, n, broken, got, i)
			}
		}
	}
}

func TestSearchFails(t *testing.T) {
	ours := errors.New("no more disk")
	if _, err := Search(9, func(int) (bool, error) { return false, ours }); err != ours {
		t.Errorf("%v, want %v", err, ours)
	}
}
