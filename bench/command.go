// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"
)

// commandTargets are functions that a command is to call, which need no generator.
func commandTargets(funcs []string) ([]target, error) {
	var targets []target
	for i, fn := range funcs {
		switch {
		case fn == AllFuncs:
			return nil, fmt.Errorf("%s stands for what the generators call; name the functions that the command calls", AllFuncs)
		case fn == "":
			return nil, fmt.Errorf("name %d of %d is empty", i+1, len(funcs))
		}
		targets = append(targets, target{fn: fn})
	}
	if len(targets) == 0 {
		return nil, errors.New("no functions are given: say with --funcs which the command calls")
	}
	return targets, noneTwice(targets)
}

// userCommand runs the user's command once for each backend, while the functions are
// probed and perf events count their calls.
func (l *lab) userCommand(ctx context.Context, targets []target) error {
	targets, err := l.settle(targets)
	if err != nil {
		return err
	}
	for _, b := range l.Backends {
		l.add(nil, unsupported(targets, b))
		s := survey{surveyPlan: surveyPlan{events: true}, backend: b, targets: able(targets, b)}
		if len(s.targets) == 0 {
			continue
		}
		if err := l.userCommandBy(ctx, &s); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) userCommandBy(ctx context.Context, s *survey) error {
	return l.withProfiler(s.functions(), func(prof *kmod.Profiler) (err error) {
		if err := l.openCounters(s); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.closeCounters()) }()
		l.progress(fmt.Sprintf("run the command, profiled by %s", s.backend))
		r, err := l.runCommand(ctx, s, prof)
		if err != nil {
			return err
		}
		var events []uint64
		if s.events {
			events = s.by.Sum(r.Counted)
		}
		for i, t := range s.targets {
			if err := wantBackend(prof, t.fn, s.backend); err != nil {
				return err
			}
			c := commanded{probed: probed{fn: t.fn, backend: s.backend}, events: s.events}
			if s.events {
				c.issued = events[i]
			}
			if err := c.take(r); err != nil {
				return err
			}
			c.catches = c.sense(l.Clock)
			l.add([]results.Row{c.row()}, c.checks(l.Clock))
		}
		return nil
	}, s.backend.params(args(s.targets))...)
}

// runCommand has a process that does nothing else start the command and wait for
// it. The module's files and the perf events are read at once one after the other,
// before and after.
func (l *lab) runCommand(ctx context.Context, s *survey, prof *kmod.Profiler) (*workloads.Result, error) {
	files, err := openAll(prof.StatsPath(), filepath.Join(filepath.Dir(prof.StatsPath()), "missed"))
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	sh, err := newShell(l.Cmd)
	if err != nil {
		return nil, err
	}
	defer sh.close()
	o := workloads.Options{Calls: 1, Batch: 1, Observe: files, Hold: l.ownKernel()}
	if s.events {
		o.Counters = s.by.Descriptors()
	}
	r, err := workloads.Run(ctx, sh.program, o)
	if err != nil {
		return nil, err
	}
	return r, sh.failure()
}

// commanded is what was counted of a function while a command ran. The calls that
// were issued are those that perf events counted, if they did.
type commanded struct {
	probed
	events bool
}

func (c *commanded) take(r *workloads.Result) error {
	s, err := spanOf(c.fn, r.Before, r.After)
	if err != nil {
		return err
	}
	c.spans = []span{s}
	c.count()
	return nil
}

func (c commanded) sense(clock Clock) catches {
	return catches{
		lost:    c.oneIn(forgets, func(p probed) Check { return commanded{p, c.events}.checkInvocations(clock) }),
		untimed: c.oneIn(cannotTime, probed.checkMissed),
	}
}

func (c commanded) checkInvocations(clock Clock) Check {
	name := c.name() + ": invocations"
	switch {
	case !c.events:
		return notJudged(name, "profiler.ko reports %d, and nothing else counts them", c.reported)
	case c.issued == 0 && c.reported == 0:
		return Check{Name: name, Verdict: Blunt, Detail: "the command does not call it; the compiler may have put its code into its callers"}
	}
	text := fmt.Sprintf("perf events count %d calls, profiler.ko reports %d", c.issued, c.reported)
	if c.issued != c.reported && clock == Native {
		text += "; where other processes call it too, one may have done so between the two readings: try again"
	}
	return judge(c.issued == c.reported, name, "%s", text)
}

func (c commanded) checks(clock Clock) []Check {
	checks := []Check{c.checkInvocations(clock)}
	if missed := c.checkMissed(); missed.Verdict != Held {
		checks = append(checks, missed)
	}
	if c.reported == c.missed {
		return checks
	}
	return append(checks, notJudged(c.name()+": average",
		"reported %.1f on clock %s: nothing but profiler.ko times it", c.average, clock))
}

func (c commanded) row() results.Row {
	var values []results.Value
	if c.events {
		values = append(values, results.Value{V: float64(c.issued), Unit: "calls-counted"})
	}
	values = append(values,
		results.Value{V: float64(c.reported), Unit: "calls-reported"},
		results.Value{V: float64(c.missed), Unit: "missed"},
		results.Value{V: round3(c.average), Unit: "reported-insn/op"})
	return results.Row{
		Name:   "Command",
		Params: []results.Param{{Key: "func", Value: c.fn}, {Key: "backend", Value: string(c.backend)}},
		Iters:  int(max(c.reported, 1)),
		Values: append(values, c.catchesValues()...),
	}
}
