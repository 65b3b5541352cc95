// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// group is columns of a table under one head.
type group struct {
	head    string
	columns [][]string
}

// writeGroups prints a table whose columns are in groups. The first label is
// beside the heads of groups, the second beside those of columns.
func writeGroups(w io.Writer, labels []string, groups []group) error {
	lines := make([]string, len(labels))
	widest := len(slices.MaxFunc(labels, func(a, b string) int { return len(a) - len(b) }))
	for i, label := range labels {
		lines[i] = fmt.Sprintf("%-*s", widest, label)
	}
	for _, g := range groups {
		for i, text := range g.lines() {
			lines[i] += "    " + text
		}
	}
	fmt.Fprintln(w)
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// lines are those of the group, its head first, all of the same width.
func (g group) lines() []string {
	rows := make([]string, len(g.columns[0]))
	for i, column := range g.columns {
		width := len(slices.MaxFunc(column, func(a, b string) int { return len(a) - len(b) }))
		for j, text := range column {
			if i > 0 {
				rows[j] += "  "
			}
			rows[j] += fmt.Sprintf("%*s", width, text)
		}
	}
	width := max(len(g.head), len(rows[0]))
	lines := []string{fmt.Sprintf("%*s", width, g.head)}
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("%*s", width, r))
	}
	return lines
}
