// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"math"

	"kprof-bench/workloads"

	"golang.org/x/sys/unix"
)

// Shape is how a function runs that is hard to time.
type Shape string

// The shapes.
const (
	Sleeps   Shape = "sleeps"   // two processes are in it at the same time, for unlike times
	Recurses Shape = "recurses" // it calls itself
)

// Shaped is how a peer did with a shape.
type Shaped struct {
	Shape    Shape
	Function string
	Lacking  string `json:",omitempty"`
	Issued   uint64 // calls
	Counted  uint64 // according to the peer
	Timed    uint64 // of these
	// Truth is what whoever makes the calls found them to take, on the average, each
	// time that the shape was tried.
	Truth []float64
	// Reported are the averages according to the peer. Plain is by how much that of
	// simple calls is more than their truth.
	Reported []float64
	Plain    float64
	Correct  bool
	Durable  bool // the peer times calls
}

// How far an average may be off that is right, when the part that a peer always adds
// is taken off.
const (
	shapePart = 0.02
	shapeInsn = 10
)

// judge tells whether all calls were counted and timed, for as long as they took.
func (s *Shaped) judge() {
	s.Correct = s.Counted == s.Issued
	if s.Durable {
		truth := median(s.Truth)
		off := math.Abs(median(s.Reported) - s.Plain - truth)
		s.Correct = s.Correct && s.Timed == s.Issued && off <= max(shapePart*truth, shapeInsn)
	}
}

// Off is by how much what is reported is too high, as a part of what is true. NaN is
// where nothing was timed.
func (s Shaped) Off() float64 {
	truth := median(s.Truth)
	return (median(s.Reported) - s.Plain - truth) / truth
}

// Exact tells whether times are the same each time. A sleeper is woken by the next timer
// interrupt, which other things that the kernel does may precede.
func (s Shaped) Exact() bool { return s.Shape == Recurses }

// shapes tries a peer with all shapes.
func (l *lab) shapes(ctx context.Context, p Peer) ([]Shaped, error) {
	var all []Shaped
	for _, t := range []struct {
		shape        Shape
		function     string
		plain, calls caller
	}{
		{Sleeps, "sys_poll", l.sleepers(1), l.sleepers(len(sleeps))},
		{Recurses, "tb_recurse", l.recursion(0), l.recursion(recursionDepth)},
	} {
		if t.shape == Recurses && p.Facts().Name == graphCallees {
			continue // what the function times itself by is traced, too
		}
		l.progress(fmt.Sprintf("%s at %s, which %s", p.Facts().Name, t.function, t.shape))
		s := Shaped{Shape: t.shape, Function: t.function, Durable: p.Facts().Durations}
		if err := l.shape(ctx, p, &s, t.plain, t.calls); err != nil {
			return nil, fmt.Errorf("%s: %w", t.function, err)
		}
		s.judge()
		all = append(all, s)
	}
	return all, nil
}

// caller makes calls. It returns how many, and what they took on the average.
type caller func(context.Context) (issued uint64, truth float64, err error)

func (l *lab) shape(ctx context.Context, p Peer, s *Shaped, plain, calls caller) (err error) {
	err = p.Attach([]Function{FunctionOf(s.Function)})
	if errors.Is(err, ErrNotSupported) {
		s.Lacking = whyUnsupported(err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Detach()) }()
	last, err := readOne(p)
	if err != nil {
		return err
	}
	simple := Shaped{Shape: s.Shape}
	if last, err = simple.try(ctx, p, last, plain); err != nil {
		return err
	}
	if len(simple.Reported) > 0 {
		s.Plain = median(simple.Reported) - median(simple.Truth)
	}
	_, err = s.try(ctx, p, last, calls)
	return err
}

// try makes the calls as often as the shape needs. The peer, which said what is last
// before, is asked after each time what it has counted.
func (s *Shaped) try(ctx context.Context, p Peer, last Reading, calls caller) (Reading, error) {
	for range s.Shape.tries() {
		issued, truth, err := calls(ctx)
		if err != nil {
			return last, err
		}
		now, err := readOne(p)
		if err != nil {
			return last, err
		}
		seen := now.since(last)
		last = now
		s.Issued, s.Counted, s.Timed = s.Issued+issued, s.Counted+seen.Calls, s.Timed+seen.Timed
		s.Truth = append(s.Truth, truth)
		if seen.Timed > 0 {
			s.Reported = append(s.Reported, seen.Average())
		}
	}
	return last, nil
}

// tries is how often a shape is tried. Recursion is so short that a tick of the
// kernel's clock falls into few.
func (s Shape) tries() int {
	if s == Recurses {
		return 50
	}
	return 3
}

// sleeps are how long the processes sleep each time, in milliseconds.
var sleeps = []uintptr{1, 3}

const sleepCalls = 10

// sleepers has so many processes sleep in poll at the same time.
func (l *lab) sleepers(processes int) caller {
	return func(ctx context.Context) (issued uint64, truth float64, err error) {
		var programs []*workloads.Program
		for _, ms := range sleeps[:processes] {
			p := &workloads.Program{Ops: []workloads.Op{{Name: "poll", Nr: unix.SYS_POLL, Args: [6]uintptr{0, 0, ms}, Measured: true}}}
			defer p.Close()
			programs = append(programs, p)
		}
		all, err := workloads.RunTeam(ctx, programs, workloads.Options{Calls: sleepCalls, Batch: 1})
		if err != nil {
			return 0, 0, err
		}
		for _, r := range all {
			issued += r.Issued
			for _, took := range r.CallTicks() {
				truth += took
			}
		}
		return issued, truth / float64(issued), nil
	}
}

const (
	recursionDepth = 9
	recursionCalls = 1
)

// recursion has a function call itself so many times, one call in the other, which
// finds out itself what it takes.
func (l *lab) recursion(depth uint64) caller {
	return func(context.Context) (issued uint64, truth float64, err error) {
		in, err := l.testbed.Recurse(depth, recursionCalls)
		if err != nil {
			return 0, 0, err
		}
		return in.Invocations, float64(in.Ticks) / float64(in.Invocations), nil
	}
}
