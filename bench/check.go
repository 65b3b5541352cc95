// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"slices"
)

// Verdict is the outcome of a check.
type Verdict string

// The verdicts. NotJudged is for what cannot be told on this clock or machine,
// NotSupported for what the module cannot do on this kernel, Blunt for a check that would hold with
// almost any error; the detail says why.
const (
	Held         Verdict = "held"
	Failed       Verdict = "FAILED"
	NotJudged    Verdict = "not judged"
	NotSupported Verdict = "not supported"
	Blunt        Verdict = "catches nothing"
)

// Check is one statement of profiler.ko, held against truth.
type Check struct {
	// Name says what was checked, such as "sys_getpid: invocations".
	Name    string
	Verdict Verdict
	// Detail has the figures. For a failed check it says what disagreed.
	Detail string
}

func judge(held bool, name, format string, args ...any) Check {
	v := Held
	if !held {
		v = Failed
	}
	return Check{Name: name, Verdict: v, Detail: fmt.Sprintf(format, args...)}
}

// worst is the check that says how all of them together end: one that has failed, or
// else one that held.
func worst(all []Check) Check {
	for _, v := range []Verdict{Failed, Held} {
		if i := slices.IndexFunc(all, func(c Check) bool { return c.Verdict == v }); i >= 0 {
			return all[i]
		}
	}
	return all[0]
}

func notJudged(name, format string, args ...any) Check {
	return Check{Name: name, Verdict: NotJudged, Detail: fmt.Sprintf(format, args...)}
}

func notSupported(name, why string) Check {
	return Check{Name: name, Verdict: NotSupported, Detail: why}
}
