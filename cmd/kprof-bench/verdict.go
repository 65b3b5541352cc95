// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"strings"

	"kprof-bench/bench"
)

// writeChecks prints what did not hold, and the verdict.
func writeChecks(w io.Writer, checks []bench.Check) error {
	var sum tally
	sum.add(w, "", checks)
	_, err := fmt.Fprintln(w, sum.verdict(sum.held > 0 && sum.failed == 0, ""))
	return err
}

// writeKernelChecks is [writeChecks] for several kernels, which it names.
func writeKernelChecks(w io.Writer, runs []*kernelRun) error {
	var sum tally
	var without []string
	good, kernels := true, 0
	for _, r := range runs {
		if r.result == nil {
			good, without = false, append(without, r.kernel)
			continue
		}
		sum.add(w, r.kernel+": ", r.result.Checks)
		good = good && r.result.Good()
		kernels++
	}
	text := sum.verdict(good, fmt.Sprintf(" on %d kernels", kernels))
	if len(without) > 0 {
		text += ", nothing was measured on " + strings.Join(without, ", ")
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// tally counts the outcomes of checks.
type tally struct{ held, failed, open int }

// add counts checks and prints those that people must know of. Of says of what
// they are.
func (t *tally) add(w io.Writer, of string, checks []bench.Check) {
	for _, c := range checks {
		switch c.Verdict {
		case bench.Held:
			t.held++
		case bench.NotJudged:
			t.open++
		case bench.NotSupported, bench.Blunt:
			if c.Verdict == bench.Blunt {
				t.open++
			}
			fmt.Fprintf(w, "%s%s: %s: %s\n", of, c.Name, c.Verdict, c.Detail)
		default:
			t.failed++
			fmt.Fprintf(w, "%s  %s%s: %s\n", c.Verdict, of, c.Name, c.Detail)
		}
	}
}

// verdict is the last line. Where says where the checks held, if it must be said.
func (t *tally) verdict(good bool, where string) string {
	word := "FAIL"
	if good {
		word = "PASS"
	}
	text := fmt.Sprintf("%s: %d checks held%s, %d failed", word, t.held, where, t.failed)
	if t.open > 0 {
		text += fmt.Sprintf(", %d could not be judged", t.open)
	}
	return text
}
