// SPDX-License-Identifier: MIT

package main

import "kprof-bench/bench"

// experimentFlags say what is measured, and on what clock.
type experimentFlags struct {
	only  []string
	funcs []string
	by    []string
	clock string
}

func (f *experimentFlags) options() (bench.Options, error) {
	clock, err := parseClock(f.clock)
	if err != nil {
		return bench.Options{}, err
	}
	backends, err := bench.ParseBackends(f.by)
	if err != nil {
		return bench.Options{}, err
	}
	only, err := bench.ParseExperiments(f.only)
	return bench.Options{Only: only, Funcs: f.funcs, Backends: backends, Clock: clock}, err
}
