// SPDX-License-Identifier: MIT

package peers

import (
	"fmt"
	"slices"

	"kprof-bench/results"
)

// Differences names all values that are not the same in two results of one place
// though they should repeat to the digit, or else what of rows is not the same.
func Differences(first, second *Result) []string {
	a, b := first.File(), second.File()
	if len(a.Rows) != len(b.Rows) {
		return []string{fmt.Sprintf("there are %d rows and then %d", len(a.Rows), len(b.Rows))}
	}
	var all []string
	for i, row := range a.Rows {
		if again := b.Rows[i].FullName(); again != row.FullName() {
			return []string{fmt.Sprintf("row %d is %s and then %s", i+1, row.FullName(), again)}
		}
		for _, unit := range unitsOf(row, b.Rows[i]) {
			was, had := row.Value(unit)
			again, has := b.Rows[i].Value(unit)
			if exact(unit) && (had != has || was != again) {
				all = append(all, fmt.Sprintf("%s is %v and then %v %s", row.FullName(), was, again, unit))
			}
		}
	}
	return all
}

// unitsOf are those of the values of two rows, each once.
func unitsOf(a, b results.Row) []string {
	var all []string
	for _, v := range slices.Concat(a.Values, b.Values) {
		if !slices.Contains(all, v.Unit) {
			all = append(all, v.Unit)
		}
	}
	return all
}

func exact(unit string) bool {
	return slices.ContainsFunc(units, func(u results.Unit) bool { return u.Name == unit && u.Exact })
}
