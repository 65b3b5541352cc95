// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"kprof-bench/bench"
	"kprof-bench/guest"

	"golang.org/x/sys/unix"
)

// Migrates is the shape of a function that ends on another processor than it began on.
// It takes two, which the exact clock has not: whether it is timed right is told by the
// sum of all calls, which cannot be more than what passed meanwhile.
const Migrates Shape = "migrates"

// migrating is a system call that moves the task that makes it.
const migrating = "sys_sched_setaffinity"

const migrations = 200

// migrate moves this thread to and fro between two processors, and returns how long
// that took.
func migrate() (took time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return 0, err
	}
	if all.Count() < 2 {
		return 0, unsupported("there is one processor")
	}
	begin := time.Now()
	for i := range migrations {
		var one unix.CPUSet
		one.Set(i % 2)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			return 0, err
		}
	}
	took = time.Since(begin)
	return took, unix.SchedSetaffinity(0, &all)
}

// migratesUnder tries a peer with it.
func migratesUnder(p Peer) (s Shaped, err error) {
	s = Shaped{Shape: Migrates, Function: migrating, Issued: migrations + 1, Durable: p.Facts().Durations}
	err = p.Attach([]Function{FunctionOf(migrating)})
	if errors.Is(err, ErrNotSupported) {
		s.Lacking = whyUnsupported(err)
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, p.Detach()) }()
	took, err := migrate()
	if err != nil {
		return s, err
	}
	r, err := readOne(p)
	if err != nil {
		return s, err
	}
	s.judgeMigration(r, took)
	return s, nil
}

func (s *Shaped) judgeMigration(r Reading, took time.Duration) {
	s.Counted, s.Timed = r.Calls, r.Timed
	s.Correct = s.Counted == s.Issued
	most := float64(took) / migrations
	s.Truth = []float64{most}
	if !s.Durable {
		return
	}
	s.Correct = s.Correct && s.Timed == s.Issued && r.Average() > 0 && r.Average() <= most
	if s.Timed > 0 {
		s.Reported = []float64{r.Average()}
	}
}

// measureMigrations tries all peers, and nothing else.
func (l *lab) measureMigrations(ctx context.Context) ([]Measured, error) {
	var all []Measured
	for _, p := range l.chosen() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.progress(fmt.Sprintf("%s at %s, which migrates", p.Facts().Name, migrating))
		// Ticks are no nanoseconds here, and the same on all processors by chance.
		if t, ok := p.(*tracer); ok && t.clock == tickClock {
			t.clock = "mono"
		}
		s, err := migratesUnder(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Facts().Name, err)
		}
		all = append(all, Measured{Facts: p.Facts(), Shapes: []Shaped{s}})
	}
	return all, nil
}

// addMigrations boots a guest with two processors and adds what comes of it. Without
// one nothing is known of migrations, which is no error.
func addMigrations(ctx context.Context, p *bench.Prepared, o Options, r *Result) error {
	o.Migrations = true
	var second *Result
	report, err := p.JobInGuest(ctx, bench.Place{Clock: bench.TCG}, jobName, o, &second)
	if err != nil {
		return err
	}
	why := ""
	if report.Ending != guest.Done || second == nil {
		why = fmt.Sprintf("the guest with two processors ended with %s: %s", report.Ending, report.Detail)
	}
	for i := range r.Peers {
		m := &r.Peers[i]
		if m.Lacking != "" || m.Facts.Kind == Tool {
			continue
		}
		s := Shaped{Shape: Migrates, Function: migrating, Lacking: why}
		for _, other := range second.peers() {
			if other.Facts.Name == m.Facts.Name {
				s = other.Shapes[0]
			}
		}
		m.Shapes = append(m.Shapes, s)
	}
	return nil
}

func (r *Result) peers() []Measured {
	if r == nil {
		return nil
	}
	return r.Peers
}
