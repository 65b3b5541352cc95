// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"kprof-bench/peers"

	"github.com/montanaflynn/stats"
)

// writePeers prints what was measured of peers for people.
func writePeers(w io.Writer, r *peers.Result) error {
	fmt.Fprintln(w, headline(environmentOf(r.File())))
	tables := [][][]string{peersCost(r), peersTrust(r), peersAttach(r), peersLeaks(r), peersCan(r), peersDocs(r)}
	for _, lines := range tables {
		if len(lines) < 2 {
			continue
		}
		if err := writeTable(w, lines); err != nil {
			return err
		}
	}
	fmt.Fprint(w, "\n"+inexact+"\n")
	return writeLacking(w, r)
}

// inexact is the legend of all tables.
const inexact = `Figures with a ~, and in tables with a column for the spread those that have one,
differ from one time to the next; all others are the same to the digit. A spread is
from the least to the most, in percent of the median.`

// writeLacking says what was not measured, and why.
func writeLacking(w io.Writer, r *peers.Result) error {
	var lines []string
	for _, m := range r.Peers {
		if m.Lacking != "" {
			lines = append(lines, fmt.Sprintf("%s: not supported: %s", m.Facts.Name, m.Lacking))
		}
		for _, why := range m.LackingParts() {
			lines = append(lines, fmt.Sprintf("%s: not supported: %s", m.Facts.Name, why))
		}
	}
	for _, l := range r.Leaks {
		if l.Lacking != "" {
			lines = append(lines, fmt.Sprintf("leaks by %s: not supported: %s", l.Way, l.Lacking))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprint(w, "\n", strings.Join(lines, "\n"), "\n")
	return err
}

// measuredPeers are those that the kernel has.
func measuredPeers(r *peers.Result) []peers.Measured {
	return slices.DeleteFunc(slices.Clone(r.Peers), func(m peers.Measured) bool { return m.Lacking != "" })
}

// insn is a number for people, or nothing if it is not known. It is as if it were read
// from a file of results.
func insn(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	v = math.Round(v*1000) / 1000
	decimals := 1
	if math.Abs(v) >= 10_000 || v == math.Trunc(v) {
		decimals = 0
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// subjectColumn is a function in the table of costs. One of known length has only a
// column for the bias: a call of it takes as much more as of any other. Where tools
// were measured there is a column for their spread.
type subjectColumn struct {
	name string
	head []string
}

const spreadHead = "spread, %"

func subjectColumns(all []peers.Measured) []subjectColumn {
	var columns []subjectColumn
	tools := slices.ContainsFunc(all, func(m peers.Measured) bool { return m.Facts.Kind == peers.Tool })
	for _, m := range all {
		for _, c := range m.Calls {
			name := c.Subject.String()
			if slices.ContainsFunc(columns, func(s subjectColumn) bool { return s.name == name }) || c.Lacking != "" {
				continue
			}
			head := []string{name, "bias"}
			switch {
			case c.N > 0:
				head = []string{"at " + insn(c.Truth)}
			case tools:
				head = append(head, spreadHead)
			}
			columns = append(columns, subjectColumn{name, head})
		}
	}
	return columns
}

// cells are the values of a column for a peer.
func (s subjectColumn) cells(m peers.Measured) []string {
	added, bias, spread := "", "", ""
	for _, c := range m.Calls {
		if c.Subject.String() != s.name || c.Lacking != "" {
			continue
		}
		added, bias = insn(c.Added()), insn(c.Bias())
		if m.Facts.Kind == peers.Tool {
			spread = insn(c.Spread())
		}
		if m.Facts.Rounded && bias != "" {
			bias = "~" + bias
		}
	}
	if len(s.head) == 1 {
		return []string{bias}
	}
	return []string{added, bias, spread}[:len(s.head)]
}

// peersCost has for each subject what a call takes more, and how far off what a peer
// says of it is.
func peersCost(r *peers.Result) [][]string {
	all := measuredPeers(r)
	columns := subjectColumns(all)
	lines := [][]string{{"a call, in insn more"}}
	for _, c := range columns {
		lines[0] = append(lines[0], c.head...)
	}
	for _, m := range all {
		line := []string{m.Facts.Name}
		for _, c := range columns {
			line = append(line, c.cells(m)...)
		}
		lines = append(lines, line)
	}
	return lines
}

// peersTrust has whether all calls are counted, and timed right.
func peersTrust(r *peers.Result) [][]string {
	lines := [][]string{{"calls", "issued", "counted", "lost", "in a row", "counted", "lost", "asleep", "recursive", "migrating"}}
	for _, m := range measuredPeers(r) {
		line := []string{m.Facts.Name, "", "", ""}
		if c := m.Calls[0]; c.Lacking == "" {
			line = []string{m.Facts.Name, count(c.Issued), count(c.Counted), count(c.Lost)}
			if m.Facts.Kind == peers.Tool {
				line[2], line[3] = "~"+line[2], "~"+line[3]
			}
		}
		if b := m.Burst; b.Lacking == "" && b.Issued > 0 {
			line = append(line, count(b.Issued), count(b.Counted), count(b.Lost))
		} else {
			line = append(line, "", "", "")
		}
		for _, shape := range []peers.Shape{peers.Sleeps, peers.Recurses, peers.Migrates} {
			line = append(line, shapeCell(m, shape))
		}
		lines = append(lines, line)
	}
	return lines
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

// shapeCell says in a word how a peer did, and by how much it was wrong.
func shapeCell(m peers.Measured, shape peers.Shape) string {
	for _, s := range m.Shapes {
		switch {
		case s.Shape != shape:
		case s.Lacking != "":
			return "-"
		case s.Correct:
			return "right"
		case s.Counted != s.Issued:
			return fmt.Sprintf("%d of %d", s.Counted, s.Issued)
		case s.Durable && s.Timed != s.Issued:
			return fmt.Sprintf("%d of %d timed", s.Timed, s.Issued)
		case s.Exact():
			return fmt.Sprintf("%+.0f %%", 100*s.Off())
		case shape == peers.Migrates:
			return fmt.Sprintf("~%.0f times", 1+s.Off())
		default:
			return fmt.Sprintf("~%+.0f %%", 100*s.Off())
		}
	}
	return ""
}

// peersAttach has what it takes to attach peers.
func peersAttach(r *peers.Result) [][]string {
	lines := [][]string{{"to attach to functions, in million insn"}}
	var sizes []int
	attached := slices.DeleteFunc(measuredPeers(r), func(m peers.Measured) bool { return len(m.Attach) == 0 })
	for _, m := range attached {
		for _, a := range m.Attach {
			if !slices.Contains(sizes, a.Functions) {
				sizes = append(sizes, a.Functions)
			}
		}
	}
	for _, n := range sizes {
		lines[0] = append(lines[0], fmt.Sprintf("to %d", n), "and off", spreadHead)
	}
	lines[0] = append(lines[0], "KiB for the first", spreadHead)
	for _, m := range attached {
		line := []string{m.Facts.Name}
		for _, n := range sizes {
			line = append(line, attachCells(m, n)...)
		}
		memory, spread := "", ""
		if a := m.Attach[0]; a.Lacking == "" {
			memory, spread = kib(a.Bytes), insn(a.BytesSpread())
		}
		lines = append(lines, append(line, memory, spread))
	}
	if len(attached) == 0 {
		return nil
	}
	return lines
}

// attachCells is what it takes to attach a peer to so many functions.
func attachCells(m peers.Measured, functions int) []string {
	for _, a := range m.Attach {
		if a.Functions == functions && a.Lacking == "" {
			return []string{millions(a.AttachNs), millions(a.DetachNs), insn(a.Spread())}
		}
	}
	return []string{"-", "-", "-"}
}

func middle(v []float64) float64 {
	m, err := stats.Median(v)
	if err != nil {
		return math.NaN()
	}
	return m
}

func millions(v []float64) string { return strconv.FormatFloat(middle(v)/1e6, 'f', 1, 64) }

func kib(v []float64) string { return strconv.FormatFloat(middle(v)/1024, 'f', 0, 64) }

// peersCan has what is known of peers without a measurement.
func peersCan(r *peers.Result) [][]string {
	lines := [][]string{{"what it can", "times", "filters", "stacks", "histogram", "each call", "no module", "lockdown", "any kernel"}}
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return "-"
	}
	for _, m := range r.Peers {
		f := m.Facts
		lines = append(lines, []string{
			f.Name, yes(f.Durations), yes(f.Filter), yes(f.Stacks), yes(f.Histogram), yes(f.Each),
			yes(f.NoModule), yes(f.Lockdown), yes(f.AnyKernel),
		})
	}
	return lines
}

// peersDocs has where each is described, so that it can be checked that it is run so,
// and what its users must know.
func peersDocs(r *peers.Result) [][]string {
	lines := [][]string{{"run as described in"}}
	for _, m := range r.Peers {
		line := m.Facts.Name + ": " + m.Facts.Doc
		if m.Facts.Limit != "" {
			line += " (" + m.Facts.Limit + ")"
		}
		lines = append(lines, []string{line})
	}
	return lines
}

// peersLeaks has how well leaks are found.
func peersLeaks(r *peers.Result) [][]string {
	lines := [][]string{{"leaks", "named", "precision", "recall", "million insn", spreadHead}}
	for _, l := range r.Leaks {
		if l.Lacking == "" {
			lines = append(lines, []string{
				l.Way, strconv.Itoa(l.Named), strconv.FormatFloat(l.Precision(), 'f', 3, 64), strconv.FormatFloat(l.Recall(), 'f', 3, 64), millions(l.Insns), insn(l.Spread()),
			})
		}
	}
	return lines
}
