// SPDX-License-Identifier: MIT

package results

import "regexp"

// ClockICount is the clock on which time is counted in instructions, exactly.
const ClockICount = "icount"

// TimeUnit returns the unit of time on the clock: "insn" for icount, "ns" for
// any other.
func TimeUnit(clock string) string {
	if clock == ClockICount {
		return "insn"
	}
	return "ns"
}

var insn = regexp.MustCompile(`\binsn\b`)

// UnitOn returns the unit as it is called on the clock. The unit is given as
// on icount, and only the word insn in it changes: "overhead-insn/op" is
// "overhead-ns/op" elsewhere.
func UnitOn(clock, unit string) string {
	return insn.ReplaceAllString(unit, TimeUnit(clock))
}

// OnClock returns a copy of a file whose units are given as on icount, with
// the units of the clock. Where time is not counted in instructions its units
// are not exact; units that are not of time, such as counts, stay as they are.
func (f *File) OnClock(clock string) *File {
	g := &File{Env: append([]Config(nil), f.Env...)}
	for _, u := range f.Units {
		if insn.MatchString(u.Name) && clock != ClockICount {
			u.Name, u.Exact = UnitOn(clock, u.Name), false
		}
		if clock != ClockICount {
			u.Slack = ""
		}
		if u.Better != "" || u.Exact || u.Noisy {
			g.Units = append(g.Units, u)
		}
	}
	for _, r := range f.Rows {
		r.Params = append([]Param(nil), r.Params...)
		r.Values = append([]Value(nil), r.Values...)
		for i := range r.Values {
			r.Values[i].Unit = UnitOn(clock, r.Values[i].Unit)
		}
		g.Rows = append(g.Rows, r)
	}
	return g
}
