// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"kprof-bench/counters"
	"kprof-bench/kmod"
	"kprof-bench/workloads"
)

// surveyRounds is how often a workload does a round in a survey that is all that
// is done, unless [Options].Calls says otherwise, and surveyShort in one that
// precedes other measurements.
const (
	surveyRounds = 100
	surveyShort  = 4
)

// reached has the functions that a round of a workload calls, by the workload.
type reached map[string]map[string]bool

// counts checks the invocations of all functions while all are probed at once.
func (l *lab) counts(ctx context.Context, targets []target) error {
	targets, err := l.settle(targets)
	if err != nil {
		return err
	}
	if !l.Does(Calls) { // which says it itself
		for _, b := range l.Backends {
			l.add(nil, unsupported(targets, b))
		}
	}
	rounds := surveyRounds
	if l.Calls > 0 {
		rounds = l.Calls
	}
	l.reached, err = l.survey(ctx, targets, surveyPlan{rounds: rounds, rate: l.rate, events: true})
	return err
}

// surveyPlan says how a survey is done.
type surveyPlan struct {
	rounds int
	rate   workloads.Rate
	events bool // count by perf events too
}

// unsupported has a check for each target that a backend cannot probe, which says
// why.
func unsupported(targets []target, b Backend) []Check {
	var checks []Check
	for _, t := range targets {
		if !t.supports(b) {
			checks = append(checks, notSupported(t.fn+" by "+string(b), t.notDirect))
		}
	}
	return checks
}

// survey probes all functions at once, does a few rounds of each workload, and
// checks what was counted. It returns what the rounds call.
func (l *lab) survey(ctx context.Context, targets []target, plan surveyPlan) (reached, error) {
	all := reached{}
	for _, b := range l.Backends {
		s := survey{surveyPlan: plan, reached: all, backend: b, shared: !l.ownKernel(), targets: able(targets, b)}
		if len(s.targets) == 0 {
			continue
		}
		if err := l.surveyBy(ctx, &s); err != nil {
			return nil, err
		}
		l.add(nil, []Check{s.check()})
	}
	return all, nil
}

// survey is what is found out by one backend.
type survey struct {
	surveyPlan
	reached reached
	backend Backend
	targets []target
	by      *counters.Set // the perf events at kprobes
	entries *counters.Set // the kernel's own events of functions
	entryOf []int         // of each target in entries, below 0 if it has none
	issued  uint64        // calls of functions by the workloads that know them
	wrong   []string      // what was counted otherwise
	shared  bool          // others use this kernel
	more    []string      // functions that were called by others, it seems
}

func (l *lab) surveyBy(ctx context.Context, s *survey) error {
	return l.withProfiler(s.functions(), func(prof *kmod.Profiler) (err error) {
		if err := l.openCounters(s); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.closeCounters()) }()
		for _, gen := range generators(s.targets) {
			l.progress(fmt.Sprintf("count what workload %s calls, by %s", gen.Name, s.backend))
			if err := l.surveyOf(ctx, s, gen, prof); err != nil {
				return fmt.Errorf("workload %s: %w", gen.Name, err)
			}
		}
		return nil
	}, s.backend.params(args(s.targets))...)
}

func (s *survey) functions() []string {
	var funcs []string
	for _, t := range s.targets {
		funcs = append(funcs, t.fn)
	}
	return funcs
}

// openCounters has perf events count what the module counts.
func (l *lab) openCounters(s *survey) (err error) {
	if !s.events {
		return nil
	}
	var symbols []string
	for _, t := range s.targets {
		symbols = append(symbols, t.symbol())
	}
	l.progress("open perf events")
	s.by, err = counters.Open(symbols)
	if errors.Is(err, counters.ErrNotSupported) {
		s.events = false
		l.add(nil, []Check{notSupported("perf events", err.Error())})
		return nil
	}
	if err != nil {
		return err
	}
	return s.openEntries()
}

// openEntries has the kernel's own events count those of the targets that have one.
func (s *survey) openEntries() (err error) {
	var functions []string
	for _, t := range s.targets {
		function := strings.TrimPrefix(t.fn, "__x64_")
		if !counters.HasEvent(function) {
			s.entryOf = append(s.entryOf, -1)
			continue
		}
		s.entryOf = append(s.entryOf, len(functions))
		functions = append(functions, function)
	}
	s.entries, err = counters.OpenEvents(functions)
	return err
}

func (s *survey) closeCounters() error {
	var err error
	for _, set := range []*counters.Set{s.by, s.entries} {
		if set != nil {
			err = errors.Join(err, set.Close())
		}
	}
	return err
}

// other is what perf events count of each target, at kprobes and by the kernel's
// own event, below 0 where there is none.
type other struct{ events, entries int64 }

// others sorts what was read from the counters.
func (s *survey) others(counted []uint64) []other {
	if !s.events {
		return nil
	}
	n := len(s.by.Descriptors())
	byEvents, byEntries := s.by.Sum(counted[:n]), s.entries.Sum(counted[n:])
	all := make([]other, len(s.targets))
	for i, at := range s.entryOf {
		all[i] = other{int64(byEvents[i]), -1}
		if at >= 0 {
			all[i].entries = int64(byEntries[at])
		}
	}
	return all
}

// differ says which of them differ from what profiler.ko has counted.
func (o other) differ(counted uint64) string {
	switch n := int64(counted); {
	case o.events != n:
		return fmt.Sprintf("perf events count %d", o.events)
	case o.entries >= 0 && o.entries != n:
		return fmt.Sprintf("the kernel's own event counts %d", o.entries)
	}
	return ""
}

func (l *lab) surveyOf(ctx context.Context, s *survey, gen workloads.Generator, prof *kmod.Profiler) error {
	files, err := openAll(prof.StatsPath(), filepath.Join(filepath.Dir(prof.StatsPath()), "missed"))
	if err != nil {
		return err
	}
	defer closeAll(files)
	program, err := gen.Prepare()
	if err != nil {
		return err
	}
	defer program.Close()
	o := workloads.Options{Calls: s.rounds, Rate: s.rate, Observe: files, Warmup: 1, Hold: l.ownKernel()}
	if s.events {
		o.Counters = slices.Concat(s.by.Descriptors(), s.entries.Descriptors())
	}
	r, err := workloads.Run(ctx, program, o)
	if err != nil {
		return err
	}
	return s.take(gen, r, s.others(r.Counted))
}

// take compares what was counted with what the workload called, and with what
// perf events counted, if they did.
func (s *survey) take(gen workloads.Generator, r *workloads.Result, others []other) error {
	if s.reached[gen.Name] == nil {
		s.reached[gen.Name] = map[string]bool{}
	}
	before, err := parseReadings(r.Before)
	if err != nil {
		return err
	}
	after, err := parseReadings(r.After)
	if err != nil {
		return err
	}
	for i, t := range s.targets {
		span, err := spanBetween(t.fn, before, after)
		if err != nil {
			return err
		}
		counted := span.after.since(span.before)
		if counted.calls > 0 {
			s.reached[gen.Name][t.fn] = true
		}
		if s.events && !s.shared {
			o := others[i]
			if counters.IsSoftware(t.fn) && t.gen.Name != gen.Name {
				o.entries = -1 // faults that the kernel takes itself are no events
			}
			if what := o.differ(counted.calls); what != "" {
				s.wrong = append(s.wrong, fmt.Sprintf("%s %d in workload %s, where %s", t.fn, counted.calls, gen.Name, what))
			}
		}
		if t.gen.Name != gen.Name {
			continue
		}
		issued := gen.Issued(t.fn, r.Issued, s.rate)
		s.issued += issued
		if s.shared && counted.calls > issued {
			s.more = append(s.more, t.fn)
			continue
		}
		if counted.calls != issued || counted.missed != 0 {
			s.wrong = append(s.wrong, fmt.Sprintf("%s %d of %d, %d missed", t.fn, counted.calls, issued, counted.missed))
		}
	}
	return nil
}

func (s *survey) check() Check {
	name := "all functions by " + string(s.backend) + ": invocations"
	switch {
	case len(s.wrong) > 0:
		return judge(false, name, "counted were %s", strings.Join(s.wrong, "; "))
	case len(s.more) > 0:
		return notJudged(name, "other processes call these too: %s", strings.Join(s.more, ", "))
	}
	detail := fmt.Sprintf("%d calls of %d functions that were probed at once were all counted, and no others", s.issued, len(s.targets))
	if s.events && !s.shared {
		detail += "; perf events count the same in every workload"
		if slices.ContainsFunc(s.entryOf, func(at int) bool { return at >= 0 }) {
			detail += ", and the kernel's own events too"
		}
	}
	return judge(true, name, "%s", detail)
}

// generators are those of targets, each once.
func generators(targets []target) []workloads.Generator {
	var all []workloads.Generator
	for _, t := range targets {
		if !slices.ContainsFunc(all, func(g workloads.Generator) bool { return g.Name == t.gen.Name }) {
			all = append(all, t.gen)
		}
	}
	return all
}

// apart divides targets into groups that can be probed at the same time without
// the probes of one being part of what is measured of another.
func (r reached) apart(all []*driven) [][]*driven {
	var groups [][]*driven
next:
	for _, d := range all {
		for i, group := range groups {
			if !slices.ContainsFunc(group, func(g *driven) bool { return r.disturb(g.target, d.target) }) {
				groups[i] = append(group, d)
				continue next
			}
		}
		groups = append(groups, []*driven{d})
	}
	return groups
}

// disturb tells whether a round of one target calls the other.
func (r reached) disturb(a, b target) bool {
	return r[a.gen.Name][b.fn] || r[b.gen.Name][a.fn]
}
