// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"kprof-bench/bench"
	"kprof-bench/results"
)

// writeText prints a run for people: what was measured, what did not hold,
// and the verdict in the last line.
func writeText(w io.Writer, r *bench.Result, file *results.File) error {
	env := environmentOf(file)
	fmt.Fprintln(w, headline(env))
	for _, v := range views {
		if err := v.write(w, file.Rows, env["clock"]); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	return writeChecks(w, r.Checks)
}

func environmentOf(file *results.File) map[string]string {
	env := map[string]string{}
	for _, c := range file.Env {
		env[c.Key] = c.Value
	}
	return env
}

func headline(env map[string]string) string {
	words := []string{"kernel " + env["kernel"], "clock " + env["clock"], env["vcpus"] + " vCPU"}
	if q := env["qemu"]; q != "" {
		words = append(words, "QEMU "+q)
	}
	return strings.Join(append(words, "module "+env["module"]), ", ")
}

// view is how people see the rows of one name.
type view struct {
	row     string
	title   string // insn in it stands for the unit of time
	label   func(results.Row) string
	columns []column
}

// column shows the values of one unit, if any row has them.
type column struct {
	head string
	unit string // as on the exact clock
}

var views = []view{
	{"Probe", "a call, in insn", probeLabel, []column{
		{"issued", "calls-issued"}, {"counted", "calls-reported"}, {"missed", "missed"},
		{"base", "base-insn/op"}, {"probed", "probed-insn/op"}, {"overhead", "overhead-insn/op"},
		{"reported", "reported-insn/op"}, {"true", "true-insn/op"}, {"bias", "bias-insn/op"},
	}},
	{"Probe", "the least that is caught", probeLabel, []column{
		{"1 call lost in", "catches-lost-1-in"}, {"1 untimed in", "catches-untimed-1-in"},
		{"insn off", "catches-insn/op"}, {"or %", "catches-percent"},
	}},
	{"Probe", "calls at a rate, in insn", probeLabel, []column{
		{"calls/s", "achieved-calls/s"}, {"latest start, ns", "latest-start-ns"},
		{"p50 bare", "base-p50-latency-insn"}, {"p50", "p50-latency-insn"},
		{"p90 bare", "base-p90-latency-insn"}, {"p90", "p90-latency-insn"},
		{"p99 bare", "base-p99-latency-insn"}, {"p99", "p99-latency-insn"},
		{"p99.9 bare", "base-p99.9-latency-insn"}, {"p99.9", "p99.9-latency-insn"},
	}},
	{"Command", "calls by the command, in insn", commandLabel, []column{
		{"perf events", "calls-counted"}, {"counted", "calls-reported"}, {"missed", "missed"},
		{"reported", "reported-insn/op"}, {"catches 1 lost in", "catches-lost-1-in"},
	}},
	{"LeakScan", "a leak scan", scanLabel, []column{
		{"insn", "insn/op"}, {"insn/word", "insn/word"}, {"in the loop", "loop-insn/word"},
		{"whole read", "whole-insn/op"}, {"insn/line", "insn/line"}, {"precision", "precision"}, {"recall", "recall"},
		{"catches 1 in", "catches-verdict-1-in"},
	}},
	{"VmallocPair", "vmalloc and vfree, in insn", pairLabel, []column{
		{"base", "base-insn/pair"}, {"probed", "probed-insn/pair"}, {"overhead", "overhead-insn/pair"},
		{"of it empty hooks", "hooks-insn/pair"},
	}},
}

func param(r results.Row, key string) string {
	for _, p := range r.Params {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

func probeLabel(r results.Row) string {
	name := param(r, "func")
	if n := param(r, "n"); n != "" {
		name += "(" + n + ")"
	}
	if rate := param(r, "rate"); rate != "max" {
		name += ", " + rate
	}
	if n := param(r, "threads"); n != "" {
		name += ", " + n + " threads"
	}
	return name + ", " + param(r, "backend")
}

func commandLabel(r results.Row) string { return param(r, "func") + ", " + param(r, "backend") }

func scanLabel(r results.Row) string {
	return param(r, "region") + ", " + param(r, "blocks") + " blocks"
}

func pairLabel(r results.Row) string { return param(r, "size") + " bytes" }

func (v view) write(w io.Writer, all []results.Row, clock string) error {
	var rows []results.Row
	for _, r := range all {
		if r.Name == v.row && slices.ContainsFunc(v.columns, func(c column) bool { _, ok := r.Value(results.UnitOn(clock, c.unit)); return ok }) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	lines := [][]string{{results.UnitOn(clock, v.title)}}
	for _, r := range rows {
		lines = append(lines, []string{v.label(r)})
	}
	for _, c := range v.columns {
		unit := results.UnitOn(clock, c.unit)
		if !slices.ContainsFunc(rows, func(r results.Row) bool { _, ok := r.Value(unit); return ok }) {
			continue
		}
		lines[0] = append(lines[0], results.UnitOn(clock, c.head))
		for i, r := range rows {
			lines[i+1] = append(lines[i+1], cell(r, unit))
		}
	}
	return writeTable(w, lines)
}

// cell is a value as people read it: to the digit where it has few, and else
// without what only a file needs.
func cell(r results.Row, unit string) string {
	v, ok := r.Value(unit)
	if !ok {
		return ""
	}
	decimals := 3
	if math.Abs(v) >= 100 {
		decimals = 1
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// writeTable prints lines with the first column to the left and all others to
// the right.
func writeTable(w io.Writer, lines [][]string) error {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], len(text))
		}
	}
	fmt.Fprintln(w)
	for _, line := range lines {
		var b strings.Builder
		fmt.Fprintf(&b, "%-*s", widths[0], line[0])
		for i, text := range line[1:] {
			fmt.Fprintf(&b, "  %*s", widths[i+1], text)
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}
