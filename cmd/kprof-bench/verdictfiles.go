// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"strings"

	"kprof-bench/bench"
	"kprof-bench/verdicts"

	"github.com/spf13/cobra"
)

// verdictFlags are where verdicts are written for other programs.
type verdictFlags struct{ verdicts.Files }

func (f *verdictFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.KTAP, "ktap", "", "write the verdicts to this file, in the kernel's test protocol (KTAP)")
	cmd.Flags().StringVar(&f.JUnit, "junit", "", "write the verdicts to this file, as JUnit XML")
}

// check tells before the work, not after it, that a file could not be written, or
// that one would replace another.
func (f verdictFlags) check(out string) error {
	taken := map[string]string{out: "out"}
	for _, file := range []struct{ flag, name string }{{"ktap", f.KTAP}, {"junit", f.JUnit}} {
		if file.name == "" {
			continue
		}
		if err := checkWritable(file.flag, file.name); err != nil {
			return err
		}
		if other := taken[file.name]; other != "" {
			return fmt.Errorf("--%s and --%s are both %s; name two files", other, file.flag, file.name)
		}
		taken[file.name] = file.flag
	}
	return nil
}

// suites are the checks of runs, those of a kernel together.
func suites(runs []*kernelRun) []verdicts.Suite {
	var all []verdicts.Suite
	for _, r := range runs {
		s := verdicts.Suite{Name: r.suiteName()}
		if r.result != nil {
			s.Env = r.result.Env
			s.Cases = cases(r.result.Checks)
		}
		switch {
		case r.err != nil:
			s.Error = r.err.Error()
		case !r.result.Good() && s.Good():
			s.Error = "no check held"
		}
		all = append(all, s)
	}
	return all
}

// suiteName is the kernel as it was asked for, or what it is where none was: the
// machine's own, or one of the user's.
func (r *kernelRun) suiteName() string {
	if r.result == nil {
		return r.kernel
	}
	release := environmentOf(r.result.File())["kernel"]
	series, _, _ := strings.Cut(r.kernel, "-")
	if r.image != "" || !strings.HasPrefix(release, series+".") {
		return release
	}
	return r.kernel
}

func cases(checks []bench.Check) []verdicts.Case {
	var all []verdicts.Case
	for _, c := range checks {
		kase := verdicts.Case{Name: c.Name, Detail: c.Detail}
		switch c.Verdict {
		case bench.Held:
		case bench.Failed:
			kase.Outcome = verdicts.Failed
		default:
			kase.Outcome, kase.Detail = verdicts.Skipped, fmt.Sprintf("%s: %s", c.Verdict, c.Detail)
		}
		all = append(all, kase)
	}
	return all
}
