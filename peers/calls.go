// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"kprof-bench/bench"
	"kprof-bench/kmod"
	"kprof-bench/workloads"

	"github.com/montanaflynn/stats"
)

// Subject is a function that is called, and with which argument if it is one of the
// testbed's of known length.
type Subject struct {
	Function
	N uint64 `json:",omitempty"`
}

func (s Subject) String() string {
	if s.N == 0 {
		return s.Name
	}
	return fmt.Sprintf("%s(%d)", s.Name, s.N)
}

// Calls is what was measured of a subject with a peer.
type Calls struct {
	Subject
	Lacking string `json:",omitempty"` // why nothing was measured, if so
	// Base and Probed are what a call took in each batch, without and with the peer,
	// in instructions.
	Base, Probed []float64
	// Truth is what a call takes, unprobed; 0 if that is not known.
	Truth float64
	// Reported is what the peer says it takes, one average for each batch after which
	// it was read.
	Reported []float64
	// Issued is how often it was called, and Counted how often according to the
	// peer, which admits to have lost some.
	Issued, Counted, Lost uint64
	// Output is what a tool has printed.
	Output string `json:",omitempty"`
}

// Added is how many instructions a call takes more.
func (c Calls) Added() float64 { return median(c.Probed) - median(c.Base) }

// Average is what the peer says a call takes, NaN if it does not time.
func (c Calls) Average() float64 { return median(c.Reported) }

func median(v []float64) float64 {
	m, err := stats.Median(v)
	if err != nil {
		return math.NaN() // of nothing
	}
	return m
}

// rounds is how often a peer is attached, each time after calls without it or before
// them, in turn.
const rounds = 3

func roundsOf(p Peer) int {
	if p.Facts().Name == graphCallees {
		return 1
	}
	return rounds
}

// lengths are arguments of tb_work: 5, 203, 2003 and 20003 instructions.
var lengths = []uint64{1, 100, 1000, 10000}

// subjects are those of each function.
func (l *lab) subjects(p Peer) [][]Subject {
	var all [][]Subject
	for _, name := range l.Funcs {
		all = append(all, []Subject{{Function: FunctionOf(name)}})
	}
	if p.Facts().Name == graphCallees {
		return all
	}
	var known []Subject
	for _, n := range lengths {
		known = append(known, Subject{Function: FunctionOf("tb_work"), N: n})
	}
	return append(all, known)
}

// calls measures calls of subjects, which are of one function, without the peer and
// with it.
func (l *lab) calls(ctx context.Context, p Peer, subjects []Subject) ([]Calls, error) {
	all := make([]Calls, len(subjects))
	for i, s := range subjects {
		all[i].Subject = s
	}
	bare := func() error { return l.withoutPeer(ctx, all) }
	for round := range roundsOf(p) {
		steps := []func() error{bare, func() error { return l.underPeer(ctx, p, all) }}
		if round%2 == 1 {
			slices.Reverse(steps)
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return nil, err
			}
		}
	}
	for i := range all {
		var err error
		if all[i].Truth, err = l.truth(ctx, all[i].Subject); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *lab) withoutPeer(ctx context.Context, all []Calls) error {
	for i := range all {
		took, _, err := l.drive(ctx, all[i].Subject, callsOfCost)
		if err != nil {
			return err
		}
		all[i].Base = append(all[i].Base, took...)
	}
	return nil
}

// underPeer attaches the peer and has the subjects called.
func (l *lab) underPeer(ctx context.Context, p Peer, all []Calls) (err error) {
	if err := p.Attach([]Function{all[0].Function}); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	defer func() { err = errors.Join(err, p.Detach()) }()
	last, err := readOne(p)
	for i := range all {
		if err == nil {
			last, err = l.driveProbed(ctx, p, &all[i], last)
		}
	}
	return err
}

// readOne reads what a peer says of the only function.
func readOne(p Peer) (Reading, error) {
	all, err := p.Read()
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("it tells of %d functions, and one was asked for", len(all))
	}
	if err != nil {
		return Reading{}, err
	}
	return all[0], nil
}

// driveProbed has the subject called and asks the peer. System calls are made a few
// times before, in the same way: whoever makes them makes some for itself, and so does
// a reader of files, which are no calls of the subject. What is counted then, but for
// the few, is taken from what is counted after.
//
// The peer is read after some more batches, each time: a tick of the kernel's clock
// falls into few of them, so that the median of what it says repeats to the digit.
func (l *lab) driveProbed(ctx context.Context, p Peer, c *Calls, before Reading) (Reading, error) {
	w := &watch{lab: l, peer: p, calls: c, last: before}
	if c.N == 0 {
		if err := w.learnOthers(ctx); err != nil {
			return w.last, err
		}
	}
	took, _, err := w.drive(ctx, callsOfCost)
	if err != nil {
		return w.last, err
	}
	c.Probed = append(c.Probed, took...)
	for range readings {
		_, seen, err := w.drive(ctx, batchOfCalls)
		if err != nil {
			return w.last, err
		}
		if seen.Timed > 0 && seen.TotalNs > 0 {
			c.Reported = append(c.Reported, seen.Average())
		}
	}
	return w.last, nil
}

// watch is a peer that is attached to a function while that is called.
type watch struct {
	lab    *lab
	peer   Peer
	calls  *Calls
	last   Reading // what the peer said last
	others uint64  // calls of no interest that it counts each time
}

func (w *watch) learnOthers(ctx context.Context) error {
	_, issued, seen, err := w.driveOnce(ctx, fewCalls)
	w.others = seen.Calls - issued
	w.lab.others[w.calls.Name] = w.others
	return err
}

// drive makes calls, and adds them to those that were made and counted.
func (w *watch) drive(ctx context.Context, calls int) (took []float64, seen Reading, err error) {
	took, issued, seen, err := w.driveOnce(ctx, calls)
	if err != nil {
		return nil, seen, err
	}
	w.calls.Issued += issued
	w.calls.Counted += seen.Calls - w.others
	w.calls.Lost += seen.Lost
	return took, seen, nil
}

// driveOnce makes calls and returns what the peer has seen of them.
func (w *watch) driveOnce(ctx context.Context, calls int) (took []float64, issued uint64, seen Reading, err error) {
	if took, issued, err = w.lab.drive(ctx, w.calls.Subject, calls); err != nil {
		return nil, 0, seen, err
	}
	now, err := readOne(w.peer)
	if err != nil {
		return nil, 0, seen, err
	}
	seen, w.last = now.since(w.last), now
	return took, issued, seen, nil
}

// since is what was counted after an earlier reading.
func (r Reading) since(before Reading) Reading {
	return Reading{r.Calls - before.Calls, r.Timed - before.Timed, r.TotalNs - before.TotalNs, r.Lost - before.Lost}
}

// How many calls are made while a peer is attached, in batches that are short, so
// that a tick of the kernel's clock falls into few of them.
const (
	callsOfCost  = 1500 // which tell what a call takes more
	readings     = 5    // and a batch before each
	callsOfRound = callsOfCost + readings*batchOfCalls
	fewCalls     = 10
	batchOfCalls = 100
)

// workCalls is how often tb_work is called in a batch: about as many instructions
// whatever the length.
func workCalls(n uint64) uint64 { return max(5, min(100, 20_000/n)) }

// drive makes calls, and returns what each took in each batch, and how many they were.
// Of tb_work they are as many batches as of system calls.
func (l *lab) drive(ctx context.Context, s Subject, calls int) (took []float64, issued uint64, err error) {
	if s.N > 0 {
		batches := calls / batchOfCalls
		took, err = l.work(ctx, s.N, batches)
		return took, uint64(batches) * workCalls(s.N), err
	}
	gen, err := workloads.For(s.Name)
	if err != nil {
		return nil, 0, err
	}
	program, err := gen.Prepare()
	if err != nil {
		return nil, 0, err
	}
	defer program.Close()
	runtime.GC()
	r, err := workloads.Run(ctx, program, workloads.Options{Calls: calls, Batch: min(batchOfCalls, gen.Batch)})
	if err != nil {
		return nil, 0, err
	}
	took = r.CallTicks()
	for i := range took {
		took[i] /= float64(gen.Calls(s.Name))
	}
	return took, gen.Issued(s.Name, r.Issued, workloads.Rate{}), nil
}

// work has the testbed call tb_work, in so many batches.
func (l *lab) work(ctx context.Context, n uint64, batches int) ([]float64, error) {
	empty, err := l.object.KnownLength("tb_empty")
	if err != nil {
		return nil, err
	}
	answers, err := bench.Ask(ctx, l.testbed, batches, fmt.Sprintf("work %d %d", n, workCalls(n)))
	if err != nil {
		return nil, err
	}
	var took []float64
	for _, text := range answers {
		t, err := kmod.ParseTiming(text)
		if err != nil {
			return nil, err
		}
		took = append(took, t.TicksPerCall()+float64(empty.Of(0)))
	}
	return took, nil
}

// truth is what a call takes unprobed: the number of its instructions, or what the
// testbed finds it to take, 0 if that cannot call it.
func (l *lab) truth(ctx context.Context, s Subject) (float64, error) {
	if s.N > 0 {
		known, err := l.object.KnownLength(s.Name)
		return float64(known.Of(s.N)), err
	}
	if truth, ok := l.truths[s.Name]; ok {
		return truth, nil
	}
	if !strings.HasPrefix(s.Name, "sys_") {
		return 0, nil
	}
	took, err := bench.TrueDuration(ctx, l.testbed, l.object, s.Name)
	if err != nil {
		return 0, err
	}
	if len(took) == 0 {
		return 0, nil
	}
	l.truths[s.Name] = median(took)
	return median(took), nil
}
