// SPDX-License-Identifier: MIT

// Package bisect finds the first bad one of many revisions in few steps, also
// where some of them cannot be tried.
package bisect

import "errors"

// ErrSkip is wrapped by the error of a try that says nothing of a revision, such as
// one that cannot be built.
var ErrSkip = errors.New("skipped")

// Result is where the search ended.
type Result struct {
	// Good is the last revision that is known to be good, -1 for the one before the
	// first, and Bad the first that is known to be bad.
	Good, Bad int
	// Tried counts revisions that were tried, and Skipped those that said nothing.
	Tried, Skipped int
}

// Found tells whether Bad is the first bad one: no revision between is unknown.
func (r Result) Found() bool { return r.Bad == r.Good+1 }

// Search looks for the first bad one of n revisions, the last of which is known to
// be bad and that before the first to be good. An error of isBad that is not
// [ErrSkip] ends it.
func Search(n int, isBad func(i int) (bool, error)) (Result, error) {
	r := Result{Good: -1, Bad: n - 1}
	skipped := map[int]bool{}
	for {
		i, ok := middle(r.Good, r.Bad, skipped)
		if !ok {
			return r, nil
		}
		bad, err := isBad(i)
		switch {
		case errors.Is(err, ErrSkip):
			skipped[i] = true
			r.Skipped++
			continue
		case err != nil:
			return r, err
		case bad:
			r.Bad = i
		default:
			r.Good = i
		}
		r.Tried++
	}
}

// middle is the revision nearest to the middle between two that was not skipped.
func middle(good, bad int, skipped map[int]bool) (int, bool) {
	half := (good + bad) / 2
	for off := 0; off < bad-good; off++ {
		for _, i := range []int{half - off, half + off} {
			if good < i && i < bad && !skipped[i] {
				return i, true
			}
		}
	}
	return 0, false
}
