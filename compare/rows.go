// SPDX-License-Identifier: MIT

package compare

import (
	"math"
	"strings"

	"kprof-bench/results"
)

// Row is all that a file has of one benchmark in one environment.
type Row struct {
	// Name has the parameters, and what else tells the row from others of the file.
	Name string
	Env  []results.Config
	// Suite is the build of the suite that measured it, "" if it is not known.
	Suite string
	Units []Samples
}

// Samples are what a row has in one unit.
type Samples struct {
	Unit, Better string // Better as in [Comparison]
	Exact        bool
	// Slack is for exact values that different builds of the suite found.
	Slack  results.Slack
	Values []float64
}

// Rows returns the rows of a file in its order. The error is for a file that
// contradicts itself.
func (s *Set) Rows() ([]Row, error) {
	rows, err := s.rows(s.extraKeys())
	if err != nil {
		return nil, err
	}
	var all []Row
	for _, r := range rows {
		row := Row{Name: r.name, Env: r.env, Suite: r.revisions["suite"]}
		for _, one := range r.series {
			unit, values, _ := inOneUnit(one, one)
			row.Units = append(row.Units, Samples{unit, better(s.units, unit), exact(s.units, unit, r.env), slackOf(s.units, unit), values})
		}
		all = append(all, row)
	}
	return all, nil
}

// Config returns the configuration of the first row: keys and their values.
func (s *Set) Config() map[string]string { return s.records[0].config }

// Len is how many lines with results there are.
func (s *Set) Len() int { return len(s.records) }

// EnvironmentChanges says in what two environments differ, as "KEY A -> B".
func EnvironmentChanges(old, next []results.Config) []string {
	var all []string
	a, b := asMap(old), asMap(next)
	for _, key := range environment {
		if a[key] != b[key] {
			all = append(all, key+" "+orNothing(a[key])+" -> "+orNothing(b[key]))
		}
	}
	return all
}

// NearZero is what [Comparison].Better is for a figure that has a sign and should
// be none.
const NearZero = "zero"

// isSigned tells whether a unit is of such figures, which no better= can say:
// "bias-insn/op", and "tool-bias-insn/op".
func isSigned(unit string) bool { return strings.Contains("-"+unit, "-bias-") }

// Direction is the verdict on a figure that was old and is next, where better is
// "lower", "higher", [NearZero] or empty.
func Direction(better string, old, next float64) Verdict {
	if better == NearZero {
		better, old, next = "lower", math.Abs(old), math.Abs(next)
		if old == next {
			return Changed
		}
	}
	switch {
	case old == next:
		return Same
	case better == "":
		return Changed
	case (next < old) == (better == "lower"):
		return Better
	}
	return Worse
}
