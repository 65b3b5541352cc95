// SPDX-License-Identifier: MIT

package workloads

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

// Defaults of [Options].
const (
	DefaultBatch       = 500
	DefaultObserveSize = 64 << 10
	DefaultQuiesce     = 50 * time.Millisecond
)

// Options say how a program is run. Only Calls is needed.
type Options struct {
	// Calls is the number of measured calls in all, a multiple of those in
	// a round of the program.
	Calls int
	// Batch is the number of measured calls that are timed together at
	// rate max; 0 is DefaultBatch, or Calls if that is less. If Calls is no
	// multiple of it the calls that are left over are made and counted,
	// but not timed.
	Batch int
	Rate  Rate
	// Observe are files, such as those of a profiler, whose contents are
	// read immediately before the first and after the last counted call.
	Observe []*os.File
	// ObserveSize is the most that one of them may hold, in bytes; 0 is
	// DefaultObserveSize. A longer file is an error.
	ObserveSize int
	// Counters are descriptors that give 8 bytes with each read, such as those
	// of perf events. They are read after the observed files, both times.
	Counters []uintptr
	// Words are numbers that the kernel writes to memory that is mapped as
	// shared, such as those of a BPF program. They are read after the counters,
	// both times, without a system call.
	Words []*uint64
	// Quiesce is how long the child sleeps before it counts; 0 is
	// DefaultQuiesce, less than 0 is not at all.
	Quiesce time.Duration
	// Hold stops all threads of this process until the run is over, so
	// that its own system calls are in no count of the kernel's: Go's runtime
	// wakes up now and then even when there is nothing to do. Nothing else
	// goes on meanwhile, the end of ctx included. It takes the right to
	// trace this process.
	Hold bool
	// Port is an I/O port to which a 1 is written immediately before the first and
	// after the last call, as a mark for whoever emulates this machine; 0 is none.
	// It takes root, and the rate max.
	Port uint16
	// Each has every call timed, for [Result].OpTicks. On a real processor this
	// makes calls slower than they are: the time stamp is read when all that
	// precedes it is done.
	Each bool
	// CPUs are those the child may run on; none is all of the parent's.
	CPUs []int
	// Warmup is a number of rounds that are executed before the first
	// observation, not counted and not timed.
	Warmup int
}

// plan is what options and a program come to.
type plan struct {
	perRound int // measured calls
	rounds   int // in all
	batch    int // rounds that are timed together
	timed    int // batches
	tail     int // rounds after the last batch
	due      []int64
	size     int
	quiesce  time.Duration
}

func newPlan(p *Program, o Options) (*plan, error) {
	per := p.measured()
	switch {
	case len(p.Ops) == 0:
		return nil, errors.New("the program is empty or closed")
	case per == 0:
		return nil, errors.New("the program has no measured call")
	case o.Calls <= 0 || o.Calls > math.MaxInt32:
		return nil, fmt.Errorf("%d calls: must be 1 to %d", o.Calls, math.MaxInt32)
	case o.Calls%per != 0:
		return nil, fmt.Errorf("%d calls: must be a multiple of %d, the measured calls in a round of the program", o.Calls, per)
	case o.Batch < 0 || o.Batch%per != 0:
		return nil, fmt.Errorf("batch of %d calls: must be a multiple of %d, the measured calls in a round of the program", o.Batch, per)
	case o.Warmup < 0:
		return nil, fmt.Errorf("%d warm-up rounds: must not be negative", o.Warmup)
	case o.Port != 0 && !o.Rate.IsMax():
		return nil, fmt.Errorf("a port is written to at rate max, and not at %s", o.Rate)
	case o.ObserveSize < 0:
		return nil, fmt.Errorf("observe size of %d bytes: must not be negative", o.ObserveSize)
	}
	pl := &plan{perRound: per, rounds: o.Calls / per, batch: 1, size: o.ObserveSize, quiesce: o.Quiesce}
	if pl.size == 0 {
		pl.size = DefaultObserveSize
	}
	if pl.quiesce == 0 {
		pl.quiesce = DefaultQuiesce
	}
	pl.divide(o)
	return pl, nil
}

func (pl *plan) divide(o Options) {
	if !o.Rate.IsMax() {
		pl.timed = pl.rounds
		return
	}
	pl.batch = o.Batch / pl.perRound
	if o.Batch == 0 {
		pl.batch = max(DefaultBatch/pl.perRound, 1)
	}
	pl.batch = min(pl.batch, pl.rounds)
	pl.timed = pl.rounds / pl.batch
	pl.tail = pl.rounds % pl.batch
}

// newPlans are those of programs that run together.
func newPlans(programs []*Program, o Options) ([]*plan, error) {
	if len(programs) == 0 {
		return nil, errors.New("there is no program")
	}
	var all []*plan
	for _, p := range programs {
		pl, err := newPlan(p, o)
		if err != nil {
			return nil, err
		}
		if first := programs[0].measured(); pl.perRound != first {
			return nil, fmt.Errorf("programs with %d and %d measured calls in a round cannot share a rate", first, pl.perRound)
		}
		all = append(all, pl)
	}
	if o.Rate.IsMax() {
		return all, nil
	}
	due, err := o.Rate.deadlines(all[0].rounds*len(all), all[0].perRound)
	if err != nil {
		return nil, err
	}
	for i, at := range due {
		pl := all[i%len(all)]
		pl.due = append(pl.due, at)
	}
	return all, nil
}
