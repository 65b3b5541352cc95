// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"slices"

	"kprof-bench/verdicts"
)

// Suites are the comparisons as the cases of test suites, one for each
// environment. Only what is worse has failed; what could not be told is skipped.
func (r *Report) Suites() []verdicts.Suite {
	var all []verdicts.Suite
	for _, c := range r.Comparisons {
		name := inWords(c.Env)
		i := slices.IndexFunc(all, func(s verdicts.Suite) bool { return s.Name == name })
		if i < 0 {
			i = len(all)
			all = append(all, verdicts.Suite{Name: name, Env: c.Env})
		}
		all[i].Cases = append(all[i].Cases, c.suiteCase())
	}
	if rest := r.notComparedCases(); len(rest) > 0 {
		all = append(all, verdicts.Suite{Name: "not compared", Cases: rest})
	}
	return all
}

func (c *Comparison) suiteCase() verdicts.Case {
	k := verdicts.Case{
		Name:   c.Row + " " + c.Unit,
		Detail: fmt.Sprintf("%s -> %s %s: %s", exactly(c.Old.Value), exactly(c.New.Value), c.Unit, c.verdict()),
	}
	switch {
	case c.Accepted != "":
	case c.Verdict == Worse:
		k.Outcome = verdicts.Failed
	case c.Verdict == Unknown || c.Verdict == Changed:
		k.Outcome = verdicts.Skipped
	}
	return k
}

// notComparedCases are rows of which nothing is known.
func (r *Report) notComparedCases() []verdicts.Case {
	var all []verdicts.Case
	for _, a := range r.Apart {
		all = append(all, verdicts.Case{Name: a.Row, Outcome: verdicts.Skipped, Detail: a.Why})
	}
	for _, row := range lones(r.OnlyOld) {
		all = append(all, verdicts.Case{Name: row, Outcome: verdicts.Skipped, Detail: "only in OLD"})
	}
	return all
}
