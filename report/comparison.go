// SPDX-License-Identifier: MIT

package report

import "kprof-bench/compare"

// comparison is what differs between two files.
type comparison struct {
	Old, New string
	Line     string
	Rows     []comparedRow
}

type comparedRow struct {
	Row, Unit, Kernel, Old, New, Percent, Verdict, Class string
}

// Parts are those of the name, between which a line may be broken.
func (r comparedRow) Parts() []string { return parts(r.Row) }

// Figures are those of both files, if it is in both.
func (r comparedRow) Figures() string {
	if r.Old == "" {
		return ""
	}
	return r.Old + " → " + r.New
}

func newComparison(r *compare.Report) *comparison {
	if r == nil {
		return nil
	}
	c := &comparison{Old: r.Old, New: r.New, Line: r.LastLine()}
	for _, one := range r.Comparisons {
		if one.Verdict != compare.Same {
			c.Rows = append(c.Rows, newComparedRow(one))
		}
	}
	for _, a := range r.Apart {
		c.Rows = append(c.Rows, comparedRow{Row: a.Row, Verdict: "not compared, as " + a.Why, Class: "other"})
	}
	for _, l := range r.OnlyOld {
		c.Rows = append(c.Rows, comparedRow{Row: l.Row, Unit: l.Unit, Kernel: valueOf(l.Env, "kernel"), Verdict: "only in " + r.Old, Class: "other"})
	}
	return c
}

func newComparedRow(c *compare.Comparison) comparedRow {
	row := comparedRow{
		Row: c.Row, Unit: c.Unit, Kernel: valueOf(c.Env, "kernel"), Old: value(c.Old.Value, c.Exact), New: value(c.New.Value, c.Exact),
		Percent: percent(c.Old.Value, c.New.Value), Verdict: string(c.Verdict), Class: "other",
	}
	if c.Why != "" {
		row.Verdict += ": " + c.Why
	}
	switch {
	case c.Accepted != "":
		row.Verdict += ", accepted: " + c.Accepted
	case c.Verdict == compare.Worse:
		row.Class = "worse"
	case c.Verdict == compare.Better:
		row.Class = "better"
	}
	return row
}
