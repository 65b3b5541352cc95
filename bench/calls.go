// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"
)

// Rounds are how often each function is driven without and with the profiler,
// in the order ABBA: what drifts slowly hits both alike. They are even.
const (
	rounds      = 4
	quickRounds = 2
)

// round is one of several.
type round struct{ n, of int }

func (r round) String() string { return fmt.Sprintf("%d of %d", r.n+1, r.of) }

// shortPart is the part of the calls that each but the last of uneven rounds has.
const shortPart = 15

// share is the round's part of the calls. Of uneven rounds the last one is by far
// the longest; of others the last ones get what cannot be divided evenly.
func (r round) share(calls int, uneven bool) int {
	switch short := max(calls/shortPart, 1); {
	case !uneven:
		return calls*(r.n+1)/r.of - calls*r.n/r.of
	case r.n < r.of-1:
		return short
	default:
		return calls - short*(r.of-1)
	}
}

// uneven tells whether the rounds of a target need not be of one length.
// Profiler.ko is loaded anew in each, and an error in one of so many calls shows
// where as many are made at a stretch. Only where nothing drifts can that be: time
// is exact, no rate is to be held, and calls are so much alike that they are timed
// by the hundred, of which the short rounds have whole ones.
func (l *lab) uneven(t target) bool {
	const alike = 100
	return l.Clock.Exact() && l.rate.IsMax() && t.gen.Batch >= alike && l.callsOf(t)/shortPart >= t.gen.Batch
}

// quickBatches are enough for a median on a clock that counts instructions.
const quickBatches = 10

// driven is a target and what was measured of it.
type driven struct {
	target
	base  []float64 // what a call took in each batch without the profiler
	pace  pace      // likewise
	truth []float64 // what the testbed found the function to take; nil if it was not asked
	by    []probed  // one for each backend
}

func (l *lab) newDriven(t target) *driven {
	d := &driven{target: t, pace: newPace()}
	for _, b := range l.Backends {
		d.by = append(d.by, probed{
			fn: t.fn, backend: b, rate: rateName(l.rate), threads: l.threads, pace: newPace(), leaves: t.leaves(),
		})
	}
	return d
}

// calls measures system calls, without and with the profiler on all of them.
func (l *lab) calls(ctx context.Context, targets []target) error {
	if err := l.measureReturns(); err != nil {
		return err
	}
	targets, err := l.settle(targets)
	if err != nil {
		return err
	}
	return l.atEach(func() error { return l.callsAt(ctx, targets) })
}

// callsAt is calls at one load.
func (l *lab) callsAt(ctx context.Context, targets []target) error {
	all, err := l.driveAll(ctx, targets, rounds, true)
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := l.findTruth(ctx, d); err != nil {
			return fmt.Errorf("%s: time it by the testbed: %w", d.fn, err)
		}
	}
	// After all else: what a clone takes depends on what memory is free.
	for _, d := range all {
		if err := l.compareDriven(ctx, d); err != nil {
			return fmt.Errorf("%s: %w", d.fn, err)
		}
	}
	return nil
}

// findTruth has the testbed time the function, but calls that vary only where time is
// shown and not judged: others of them than profiler.ko has timed say little of those.
func (l *lab) findTruth(ctx context.Context, d *driven) (err error) {
	if d.callsVary() && l.Clock.Exact() {
		return nil
	}
	if d.truth, err = l.truth(ctx, d.target); err != nil {
		return err
	}
	if d.fn == calibrated && l.rate.IsMax() && l.asksCaller() {
		l.calibrated = d.truth
		for i := range d.by {
			l.learnAround(&d.by[i], d.truth)
		}
	}
	return nil
}

// compareDriven holds what was measured of a target by each backend against all that
// knows better, and adds it.
func (l *lab) compareDriven(ctx context.Context, d *driven) error {
	for i := range d.by {
		p := &d.by[i]
		p.against(d.truth)
		if err := l.askCaller(ctx, d.target, p); err != nil {
			return err
		}
	}
	programs, err := l.programs(ctx, d)
	if err != nil {
		return fmt.Errorf("BPF programs: %w", err)
	}
	for _, p := range d.by {
		p.programs = programs
		l.addDriven(d, p)
	}
	return nil
}

// overhead measures what a probe adds to system calls, and nothing else, in a
// part of the time that [lab.calls] takes.
func (l *lab) overhead(ctx context.Context, targets []target) error {
	targets, err := l.settle(targets)
	if err != nil {
		return err
	}
	return l.atEach(func() error {
		_, err := l.overheadAt(ctx, targets)
		return err
	})
}

// overheadAt is overhead at one load.
func (l *lab) overheadAt(ctx context.Context, targets []target) ([]*driven, error) {
	targets = slices.Clone(targets)
	for i, t := range targets {
		targets[i].gen.DefaultCalls = min(t.gen.DefaultCalls, quickBatches*t.gen.Batch)
	}
	all, err := l.driveAll(ctx, targets, quickRounds, false)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		for _, p := range d.by {
			p.costOnly = true
			l.addDriven(d, p)
		}
	}
	return all, nil
}

// addDriven adds what was measured of a target by a backend.
func (l *lab) addDriven(d *driven, p probed) {
	if !d.supports(p.backend) {
		l.add(nil, []Check{notSupported(p.name(), d.notDirect)})
		return
	}
	p.base, p.basePace = d.base, d.pace
	p.count()
	l.addProbed(p)
	if !l.rate.IsMax() {
		l.add(nil, []Check{p.pace.check(p.name(), l.Clock, l.AllowSlow || l.sweep)})
		l.slow = l.slow || !p.pace.held(l.Clock)
	}
}

// driveAll drives the targets in rounds. Perf events count with the module before,
// if that is asked for.
func (l *lab) driveAll(ctx context.Context, targets []target, rounds int, count bool) ([]*driven, error) {
	var all []*driven
	for _, t := range targets {
		all = append(all, l.newDriven(t))
	}
	if l.reached == nil && (len(targets) > 1 || count) {
		var err error
		if l.reached, err = l.survey(ctx, targets, surveyPlan{rounds: surveyShort, events: count}); err != nil {
			return nil, err
		}
	}
	for n := range rounds {
		if err := l.callsRound(ctx, all, round{n, rounds}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// callsRound drives each target without the profiler and with each backend, in
// one order in even rounds and in the other in odd ones.
func (l *lab) callsRound(ctx context.Context, all []*driven, r round) error {
	steps := []func() error{func() error { return l.bareRound(ctx, all, r) }}
	for i := range l.Backends {
		steps = append(steps, func() error { return l.probedRound(ctx, all, r, i) })
	}
	if r.n%2 == 1 {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) bareRound(ctx context.Context, all []*driven, r round) error {
	for _, d := range all {
		l.progress(fmt.Sprintf("drive %s without profiler.ko, %s", d.fn, r))
		bare, err := l.driveBare(ctx, d.target, r)
		if err != nil {
			return fmt.Errorf("%s: %w", d.fn, err)
		}
		d.base = append(d.base, l.perCallOf(bare.Result, d.gen.Calls(d.fn))...)
		d.pace.add(bare.Result)
	}
	return nil
}

// probedRound drives all targets while they are probed by one of the backends.
func (l *lab) probedRound(ctx context.Context, all []*driven, r round, backend int) error {
	return l.probedBy(all, backend, func(d *driven, prof *kmod.Profiler) error {
		l.progress(fmt.Sprintf("drive %s with profiler.ko by %s, %s", d.fn, l.Backends[backend], r))
		return l.driveProbed(ctx, d.target, r, prof, &d.by[backend])
	})
}

// probedBy calls fn for each target that a backend supports while it is probed, at the
// same time as others, unless their probes would be part of what is measured.
func (l *lab) probedBy(all []*driven, backend int, fn func(*driven, *kmod.Profiler) error) error {
	b := l.Backends[backend]
	able := slices.DeleteFunc(slices.Clone(all), func(d *driven) bool { return !d.supports(b) })
	for _, group := range l.reached.apart(able) {
		var funcs []string
		var targets []target
		for _, d := range group {
			funcs, targets = append(funcs, d.fn), append(targets, d.target)
		}
		err := l.withProfiler(funcs, func(prof *kmod.Profiler) error {
			for _, d := range group {
				if err := fn(d, prof); err != nil {
					return fmt.Errorf("%s: %w", d.fn, err)
				}
			}
			return nil
		}, b.params(args(targets))...)
		if err != nil {
			return err
		}
	}
	return nil
}

// driveBare drives a function without the profiler.
func (l *lab) driveBare(ctx context.Context, t target, r round) (*run, error) {
	files, err := nothingToObserve()
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	return l.drive(ctx, t, r, files)
}

// driveProbed drives a function with the profiler loaded, and adds what was
// measured to p.
func (l *lab) driveProbed(ctx context.Context, t target, part round, prof *kmod.Profiler, p *probed) error {
	files, err := openAll(prof.StatsPath(), filepath.Join(filepath.Dir(prof.StatsPath()), "missed"))
	if err != nil {
		return err
	}
	defer closeAll(files)
	r, err := l.drive(ctx, t, part, files)
	if err != nil {
		return err
	}
	if err := wantBackend(prof, t.fn, p.backend); err != nil {
		return err
	}
	s, err := spanOf(t.fn, r.Before, r.After)
	if err != nil {
		return err
	}
	s.issued, s.caller = t.gen.Issued(t.fn, r.Issued, l.rate), r.caller
	p.with = append(p.with, l.perCallOf(r.Result, t.gen.Calls(t.fn))...)
	p.issued += s.issued
	p.pace.add(r.Result)
	p.spans = append(p.spans, s)
	return nil
}

// nothingToObserve stands in for `stats` and `missed` where they are not
// there, so that the process is of the same size: the cost of a clone depends
// on it.
func nothingToObserve() ([]*os.File, error) { return openAll(os.DevNull, os.DevNull) }

// ownKernel tells whether nobody else uses this kernel, so that the calls of
// this very process are the only ones that could be counted by mistake.
func (l *lab) ownKernel() bool { return l.Clock != Native }

// warmup is the number of calls before those that count.
const warmup = 10

// perCallOf is what a measured call took in each batch, divided by the calls that
// it stands for, in instructions on the exact clock and else in nanoseconds.
func (l *lab) perCallOf(r *workloads.Result, calls int) []float64 {
	ticks := r.CallTicks()
	unit := 1 / float64(calls)
	if !l.Clock.Exact() {
		unit *= 1e9 / r.TicksPerSec
	}
	for i := range ticks {
		ticks[i] *= unit
	}
	return ticks
}

// readings are what profiler.ko says of all functions at one moment.
type readings struct {
	stats  []kmod.Stat
	missed []kmod.Count
}

func parseReadings(files [][]byte) (r readings, err error) {
	if r.stats, err = kmod.ParseStats(files[0]); err != nil {
		return r, err
	}
	r.missed, err = kmod.ParseMissed(files[1])
	return r, err
}

// spanOf takes what is said of one function from the files of both moments.
func spanOf(fn string, before, after [][]byte) (span, error) {
	first, err := parseReadings(before)
	if err != nil {
		return span{}, err
	}
	last, err := parseReadings(after)
	if err != nil {
		return span{}, err
	}
	return spanBetween(fn, first, last)
}

func spanBetween(fn string, before, after readings) (s span, err error) {
	if s.before, err = findReading(fn, before.stats, before.missed); err != nil {
		return s, err
	}
	s.after, err = findReading(fn, after.stats, after.missed)
	return s, err
}

func wantBackend(prof *kmod.Profiler, fn string, want Backend) error {
	all, err := prof.Backends()
	if err != nil {
		return err
	}
	name, _ := want.module()
	for _, b := range all {
		if b.Symbol == fn && b.Backend != name {
			return fmt.Errorf("profiler.ko probes %s by %s and not by %s: %s", fn, b.Backend, name, b.Why)
		}
		if b.Symbol == fn {
			return nil
		}
	}
	return fmt.Errorf("profiler.ko does not say how it probes %s", fn)
}

// addProbed judges what was measured.
func (l *lab) addProbed(p probed) {
	p.catches = p.sense(l.Clock)
	l.add([]results.Row{p.row()}, p.checks(l.Clock))
	l.result.Samples = append(l.result.Samples, p.sample())
}

func openAll(paths ...string) ([]*os.File, error) {
	var files []*os.File
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			closeAll(files)
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
