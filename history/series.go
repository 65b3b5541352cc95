// SPDX-License-Identifier: MIT

package history

import (
	"time"

	"kprof-bench/results"
)

// Run is one file of the history: what one night found of one revision.
type Run struct {
	File    string    // its name in the directory
	Time    time.Time // when it was measured, or the commit's time for a replay
	Commit  string    // of the suite and module, "" if unknown
	Subject string    // the commit's first line
}

// Series is what one unit of one row was, run by run, in one environment.
type Series struct {
	Env     []results.Config // kernel, clock, cpu, ...
	Row     string           // full name with parameters, without "Benchmark"
	Unit    string
	Better  string // "lower", "higher", "zero" for nearer to it, or "" for none
	Exact   bool
	Points  []Point
	Changes []Change

	slack results.Slack // for exact values of different builds of the suite
}

// Point is a run's value in a series.
type Point struct {
	Run       *Run
	Value     float64 // the median of the run's samples
	Low, High float64 // its 95 % interval; both Value where it is exact

	suite string // the build of the suite that measured it, "" if it is not known
}

// Kind tells what a change looks like.
type Kind int

// The kinds.
const (
	Step  Kind = iota // it stays
	Spike             // one point, and back
	Drift             // a slow slope, no single revision's
)

// Change is a place where a series changes.
type Change struct {
	Kind          Kind
	From, At      int     // indices of points: the last before, the first after
	Before, After float64 // means of the segments beside it
	P             float64 // chance of it in flat noise; 0 where exact
	Verdict       string  // "regression", "improvement", or "change" where the unit says neither
}
