// SPDX-License-Identifier: MIT

package bench

import (
	"kprof-bench/results"
)

// units are those of the rows, as they are called on the exact clock, on which
// all of them repeat to the digit.
var units = []struct {
	name, better string
}{
	{"base-insn/op", "lower"},
	{"probed-insn/op", "lower"},
	{"overhead-insn/op", "lower"},
	{"reported-insn/op", ""},
	{"true-insn/op", ""},
	{"bias-insn/op", ""}, // has a sign
	{"bpf-insn/op", ""},
	{"insn/op", "lower"},
	{"insn/word", "lower"},
	{"loop-insn/word", "lower"},
	{"whole-insn/op", "lower"},
	{"insn/line", "lower"},
	{"hooks-insn/op", "lower"},
	{"base-p50-latency-insn", ""},
	{"base-p90-latency-insn", ""},
	{"base-p99-latency-insn", ""},
	{"base-p99.9-latency-insn", ""},
	{"base-max-latency-insn", ""},
	{"p50-latency-insn", "lower"},
	{"p90-latency-insn", "lower"},
	{"p99-latency-insn", "lower"},
	{"p99.9-latency-insn", "lower"},
	{"max-latency-insn", "lower"},
	{"calls-issued", ""},
	{"calls-counted", ""},
	{"calls-reported", ""},
	{"calls-issued-bpf", ""},
	{"calls-counted-bpf", ""},
	{"missed", "lower"},
	{"catches-lost-1-in", "higher"},
	{"catches-untimed-1-in", "higher"},
	{"catches-insn/op", "lower"},
	{"catches-percent", "lower"},
	{"catches-verdict-1-in", "higher"},
	{"precision", "higher"},
	{"recall", "higher"},
}

// File is the result as a results file.
func (r *Result) File() *results.File {
	f := &results.File{Env: r.Env}
	clock := ""
	for _, c := range r.Env {
		if c.Key == "clock" {
			clock = c.Value
		}
	}
	for _, u := range units {
		f.Units = append(f.Units, results.Unit{Name: u.name, Better: u.better, Exact: true})
	}
	f.Rows = r.Rows
	return f.OnClock(clock)
}
