// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"kprof-bench/bench"
	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"
)

// Options say what to measure. They travel to the guest as JSON.
type Options struct {
	// Funcs are the functions that calls are measured of, as people type them. A
	// workload must know them.
	Funcs []string
	// Peers are the names of those that are measured; all if there is none.
	Peers []string
	// Attach are the numbers of functions that it is tried to attach peers to at
	// once; 1, 10 and 100 if there is none.
	Attach []int
	// Tools has programs of Debian's measured, too.
	Tools bool
	// Migrations has peers tried at a function that changes processors, instead of all
	// else. It takes two.
	Migrations bool
	// Profiler and Testbed are the paths of the two modules.
	Profiler, Testbed string
	// Env describes what the place of the run cannot know by itself.
	Env []results.Config
}

// Check tells whether the options make sense, before anything is done.
func (o Options) Check() error {
	if len(o.Funcs) == 0 {
		return errors.New("no functions are given: say which with --funcs")
	}
	for i, f := range o.Funcs {
		gen, err := workloads.For(f)
		if err != nil {
			return err
		}
		if gen.Loopback {
			return fmt.Errorf("%s needs a network, which peers are measured without", f)
		}
		if slices.Contains(o.Funcs[:i], f) {
			return fmt.Errorf("%s is given twice", f)
		}
	}
	for _, n := range o.Attach {
		if n < 1 || n > mostAttached {
			return fmt.Errorf("%d functions to attach to: must be 1 to %d", n, mostAttached)
		}
	}
	return checkNames(o.Peers)
}

// Result is what was measured.
type Result struct {
	Env   []results.Config
	Peers []Measured
	Leaks []Leaks
}

// Measured is what was found out about a peer.
type Measured struct {
	Facts Facts
	// Lacking is why it was not measured, if so.
	Lacking string `json:",omitempty"`
	Calls   []Calls
	Burst   Burst
	Shapes  []Shaped
	Attach  []Attached
}

// lab is a place where peers are measured: a kernel with the testbed loaded.
type lab struct {
	Options
	testbed  *kmod.Testbed
	object   *kmod.TestbedObject
	progress func(string)
	// truths are what calls of functions take, unprobed, once that is known.
	truths map[string]float64
	// others is how many calls of a function whoever makes calls makes for itself.
	others map[string]uint64
}

// jobName is that of [GuestJob].
const jobName = "peers"

// GuestJob is what a guest's init must know for [RunInGuest].
func GuestJob() bench.Job {
	return bench.Job{Name: jobName, Do: func(ctx context.Context, text []byte, progress func(string)) (any, error) {
		var o Options
		if err := json.Unmarshal(text, &o); err != nil {
			return nil, err
		}
		r, err := Run(ctx, o, progress)
		if err != nil {
			return nil, err
		}
		return r, nil
	}}
}

// Run measures peers in the running kernel, as root. progress is told in a few words
// what is being done.
func Run(ctx context.Context, o Options, progress func(string)) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	defer bench.QuietRuntime()()
	clock := bench.ICount
	if o.Migrations {
		clock = bench.TCG
	}
	if err := bench.SettleClock(ctx, clock); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "kprof-peers-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ko, err := typedTestbed(o.Testbed, dir)
	if err != nil {
		return nil, fmt.Errorf("give the testbed types: %w", err)
	}
	loaded, err := kmod.Load(ko)
	if err != nil {
		return nil, err
	}
	l := &lab{Options: o, progress: progress, truths: map[string]float64{}, others: map[string]uint64{}}
	r := &Result{}
	err = l.open(ko)
	if err == nil {
		err = l.fill(ctx, r)
		err = errors.Join(err, l.testbed.Close())
	}
	if err = errors.Join(err, loaded.Unload()); err != nil {
		return nil, err
	}
	r.Env, err = bench.Environment(bench.Options{Clock: clock, Env: o.Env})
	return r, err
}

// fill does the measurements.
func (l *lab) fill(ctx context.Context, r *Result) (err error) {
	if l.Migrations {
		r.Peers, err = l.measureMigrations(ctx)
		return err
	}
	// First: what this process has not come to know cannot be found in it.
	if r.Leaks, err = l.leaks(ctx); err != nil {
		return err
	}
	if r.Peers, err = l.measureAll(ctx); err != nil || !l.Tools {
		return err
	}
	more, err := l.measureTools(ctx)
	r.Peers = append(r.Peers, more...)
	return err
}

func (l *lab) open(ko string) error {
	f, err := os.Open(ko)
	if err != nil {
		return err
	}
	defer f.Close()
	if l.object, err = kmod.NewTestbedObject(f); err != nil {
		return err
	}
	l.testbed, err = kmod.OpenTestbed()
	return err
}

// chosen are the peers to measure.
func (l *lab) chosen() []Peer {
	return slices.DeleteFunc(All(l.Profiler), func(p Peer) bool {
		return len(l.Peers) > 0 && !slices.Contains(l.Peers, p.Facts().Name)
	})
}

func (l *lab) measureAll(ctx context.Context) ([]Measured, error) {
	var all []Measured
	for _, p := range l.chosen() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := l.measure(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Facts().Name, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// measure measures a peer, of which a kernel may lack all or that for one function.
func (l *lab) measure(ctx context.Context, p Peer) (Measured, error) {
	m := Measured{Facts: p.Facts()}
	for _, subjects := range l.subjects(p) {
		name := subjects[0].Name
		l.progress(fmt.Sprintf("%s at %s", m.Facts.Name, name))
		calls, err := l.calls(ctx, p, subjects)
		if err != nil && !errors.Is(err, ErrNotSupported) {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		if err != nil {
			for _, s := range subjects {
				calls = append(calls, Calls{Subject: s, Lacking: whyUnsupported(err)})
			}
		}
		m.Calls = append(m.Calls, calls...)
	}
	if why := m.Calls[0].Lacking; why != "" && !slices.ContainsFunc(m.Calls, func(c Calls) bool { return c.Lacking != why }) {
		m.Lacking, m.Calls = why, nil
		return m, nil
	}
	return m, l.more(ctx, p, &m)
}

// more tries what is not a matter of one function.
func (l *lab) more(ctx context.Context, p Peer, m *Measured) (err error) {
	if m.Burst, err = l.burst(ctx, p); err != nil {
		return err
	}
	if m.Shapes, err = l.shapes(ctx, p); err != nil {
		return err
	}
	m.Attach, err = l.attachments(ctx, p)
	return err
}
