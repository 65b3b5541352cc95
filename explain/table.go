// SPDX-License-Identifier: MIT

package explain

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Row is a function and the instructions that it executes itself, in the two things
// that are compared.
type Row struct {
	Func string
	A, B int
}

// Diff is what the second has more.
func (r Row) Diff() int { return r.B - r.A }

// Table has the functions that differ, those first that have most more, and the
// others.
type Table struct {
	Name    string
	Columns [2]string
	// Calls is what all numbers are to be divided by.
	Calls int
	Rows  []Row
	// Same are the functions that do not differ.
	Same []Row
	// Measured is what the sum of the differences must be, for a call.
	Measured float64
}

func (t *Table) fill(a, b map[string]int) {
	for name, n := range a {
		if _, ok := b[name]; !ok {
			t.add(Row{name, n, 0})
		}
	}
	for name, n := range b {
		t.add(Row{name, a[name], n})
	}
	for _, rows := range [][]Row{t.Rows, t.Same} {
		slices.SortFunc(rows, func(a, b Row) int {
			return cmp.Or(cmp.Compare(b.Diff(), a.Diff()), cmp.Compare(b.B, a.B), cmp.Compare(a.Func, b.Func))
		})
	}
}

func (t *Table) add(r Row) {
	switch {
	case r.Diff() != 0:
		t.Rows = append(t.Rows, r)
	case r.A != 0:
		t.Same = append(t.Same, r)
	}
}

// Sum has the sums of all columns.
func (t *Table) Sum() Row {
	return sumOf(append(slices.Clone(t.Rows), t.Same...))
}

func sumOf(rows []Row) (sum Row) {
	for _, r := range rows {
		sum.A += r.A
		sum.B += r.B
	}
	return sum
}

// Write prints the table for people.
func (t *Table) Write(w io.Writer) error {
	lines := [][]string{{t.Name + ", in insn", t.Columns[0], t.Columns[1], "difference"}}
	for _, r := range t.Rows {
		lines = append(lines, t.line(r.Func, r))
	}
	if n := len(t.Same); n > 0 {
		lines = append(lines, t.line(fmt.Sprintf("%d others, the same", n), sumOf(t.Same)))
	}
	return writeColumns(w, append(lines, t.line("sum", t.Sum())))
}

func (t *Table) line(name string, r Row) []string {
	line := []string{name}
	for _, n := range []int{r.A, r.B, r.Diff()} {
		line = append(line, number(perCall(n, t.Calls)))
	}
	return line
}

// writeColumns aligns the first column to the left and the others to the right.
func writeColumns(w io.Writer, lines [][]string) error {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "%-*s", widths[0], line[0])
		for i, cell := range line[1:] {
			fmt.Fprintf(&text, "  %*s", widths[i+1], cell)
		}
		text.WriteByte('\n')
	}
	_, err := io.WriteString(w, text.String())
	return err
}
