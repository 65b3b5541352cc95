// SPDX-License-Identifier: MIT

package guest

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// seat is a processor of the host that a guest has to itself among guests.
//
// On the exact clock QEMU's two threads take turns, see [processor.alternation], and so
// need no more than one. Where they have no lock for that, in a machine that is to be
// saved or traced, sharing one makes it rare that both are at work: the main thread would have to
// be woken and to take the processor from the other, which a batch thread does not do.
type seat struct {
	lock *os.File // nil when all seats are taken
}

// takeSeat moves this thread, and with it what it starts, to a processor that
// no other guest of this machine has taken, or to any if there is none.
func takeSeat() (*seat, error) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, fmt.Errorf("ask for this thread's processors: %w", err)
	}
	cpu, lock := pickSeat(&all)
	one.Set(cpu)
	s := &seat{lock}
	err := unix.SchedSetaffinity(0, &one)
	if err == nil {
		err = beBatch()
	}
	if err != nil {
		s.leave()
		return nil, fmt.Errorf("move to processor %d: %w", cpu, err)
	}
	return s, nil
}

// beBatch makes this thread one that takes the processor from no other when it is
// woken. Its niceness stays.
func beBatch() error {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return err
	}
	attr.Policy = unix.SCHED_BATCH
	return unix.SchedSetAttr(0, attr, 0)
}

func pickSeat(all *unix.CPUSet) (cpu int, lock *os.File) {
	var cpus []int
	for cpu := 0; len(cpus) < all.Count(); cpu++ {
		if all.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	for _, cpu := range cpus {
		if lock := lockSeat(cpu); lock != nil {
			return cpu, lock
		}
	}
	return cpus[os.Getpid()%len(cpus)], nil
}

// lockSeat returns nil when somebody else has the seat.
func lockSeat(cpu int) *os.File {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("kprof-bench-cpu%d.%d.lock", cpu, os.Getuid()))
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		f.Close()
		return nil
	}
	return f
}

// leave gives the seat to others.
func (s *seat) leave() {
	if s.lock != nil {
		s.lock.Close()
	}
}
