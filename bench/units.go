// SPDX-License-Identifier: MIT

package bench

import (
	"kprof-bench/results"
)

// units are those of the rows, as they are called on the exact clock, on which
// all of them repeat to the digit. Those with slack do so as long as the suite is
// the same.
var units = []struct {
	name, better string
	slack        results.Slack
}{
	{"base-insn/op", "lower", ""},
	{"probed-insn/op", "lower", ""},
	{"overhead-insn/op", "lower", ""},
	{"reported-insn/op", "", "5%"},
	{"true-insn/op", "", "5%"},
	{"bias-insn/op", "", "20"}, // has a sign
	{"caller-insn/op", "", "5%"},
	{"bpf-insn/op", "", "5%"},
	{"insn/op", "lower", "1%"},
	{"insn/word", "lower", "1%"},
	{"loop-insn/word", "lower", "1%"},
	{"whole-insn/op", "lower", "1%"},
	{"insn/line", "lower", "1%"},
	{"base-insn/pair", "lower", "1%"},
	{"probed-insn/pair", "lower", "1%"},
	{"overhead-insn/pair", "lower", "5%"},
	{"hooks-insn/pair", "lower", "1%"},
	{"base-p50-latency-insn", "", "5%"},
	{"base-p90-latency-insn", "", "5%"},
	{"base-p99-latency-insn", "", "5%"},
	{"base-p99.9-latency-insn", "", "5%"},
	{"base-max-latency-insn", "", "5%"},
	{"p50-latency-insn", "lower", "5%"},
	{"p90-latency-insn", "lower", "5%"},
	{"p99-latency-insn", "lower", "5%"},
	{"p99.9-latency-insn", "lower", "5%"},
	{"max-latency-insn", "lower", "5%"},
	{"calls-issued", "", ""},
	{"calls-counted", "", ""},
	{"calls-reported", "", ""},
	{"calls-issued-bpf", "", ""},
	{"calls-counted-bpf", "", ""},
	{"missed", "lower", ""},
	{"catches-lost-1-in", "higher", ""},
	{"catches-untimed-1-in", "higher", ""},
	{"catches-insn/op", "lower", "20"},
	{"catches-percent", "lower", "5"},
	{"catches-verdict-1-in", "higher", ""},
	{"precision", "higher", ""},
	{"recall", "higher", ""},
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
		f.Units = append(f.Units, results.Unit{Name: u.name, Better: u.better, Exact: true, Slack: u.slack})
	}
	f.Rows = r.Rows
	return f.OnClock(clock)
}
