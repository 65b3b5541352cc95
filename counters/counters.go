// SPDX-License-Identifier: MIT

// Package counters has the kernel count calls of its functions, by its own means
// and none of profiler.ko's: perf events at kprobes and at the tracepoints of
// system calls, and software events, which it keeps for each processor. They need no
// program and no BTF, and count functions that profiler.ko probes at the same time.
//
// A kprobe is missed where another one's handler calls the function, which those
// of perf events and of profiler.ko do with no function that is worth a profile.
package counters

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNotSupported says that the kernel has no perf events at kprobes. It needs
// Linux 4.17 or later, with CONFIG_KPROBE_EVENTS.
var ErrNotSupported = errors.New("the kernel has no perf events at kprobes; it must be built with CONFIG_KPROBE_EVENTS")

// kprobeType is where the kernel says what number such events have.
const kprobeType = "/sys/bus/event_source/devices/kprobe/type"

// Set counts calls of several functions from [Open] to Close.
type Set struct {
	perFunction int   // events, one for each processor
	fds         []int // all of the first function's, then of the next
}

// Open begins to count calls of functions, which are named as in /proc/kallsyms.
// It needs the right to use perf events, as root has it. An error wraps
// [ErrNotSupported] or an errno of perf_event_open.
func Open(functions []string) (*Set, error) {
	kind, err := eventType(kprobeType)
	if err != nil {
		return nil, err
	}
	return open(functions, func(function string) (event, error) {
		name, err := unix.BytePtrFromString(function)
		return event{unix.PerfEventAttr{Type: kind, Ext1: uint64(uintptr(unsafe.Pointer(name)))}, name}, err
	})
}

// syscallEvents is where tracefs describes the tracepoints of system calls.
const syscallEvents = "/sys/kernel/tracing/events/syscalls"

// softwareEvents are functions that the kernel calls once for each event of a kind
// that it counts anyway, other than where it does more of them by itself.
var softwareEvents = map[string]uint64{"handle_mm_fault": unix.PERF_COUNT_SW_PAGE_FAULTS}

// IsSoftware tells whether calls of a function are counted by a software event.
func IsSoftware(function string) bool {
	_, ok := softwareEvents[function]
	return ok
}

// HasEvent tells whether the kernel has an event of its own for calls of a function,
// which has nothing to do with kprobes: of a system call such as sys_getpid the
// tracepoint at its entry, for which tracefs must be mounted, of others a software
// event.
func HasEvent(function string) bool {
	if IsSoftware(function) {
		return true
	}
	name, ok := strings.CutPrefix(function, "sys_")
	_, err := os.Stat(filepath.Join(syscallEvents, "sys_enter_"+name))
	return ok && err == nil
}

// OpenEvents begins to count the events of functions that have some.
func OpenEvents(functions []string) (*Set, error) {
	return open(functions, func(function string) (event, error) {
		if id, ok := softwareEvents[function]; ok {
			return event{attr: unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: id}}, nil
		}
		id, err := number(filepath.Join(syscallEvents, "sys_enter_"+strings.TrimPrefix(function, "sys_"), "id"))
		return event{attr: unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: id}}, err
	})
}

// event is what the kernel is to count, and the name that Ext1 points to, if it
// does.
type event struct {
	attr unix.PerfEventAttr
	name *byte
}

// open opens an event for each name on each processor.
func open(names []string, eventOf func(name string) (event, error)) (*Set, error) {
	s := &Set{perFunction: runtime.NumCPU()}
	for _, name := range names {
		e, err := eventOf(name)
		for cpu := 0; err == nil && cpu < s.perFunction; cpu++ {
			var fd int
			if fd, err = e.open(cpu); err == nil {
				s.fds = append(s.fds, fd)
			}
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("count calls of %s: %w", name, err), s.Close())
		}
	}
	return s, nil
}

func eventType(path string) (uint32, error) {
	n, err := number(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ErrNotSupported
	}
	return uint32(n), err
}

// number reads a file of the kernel's that holds one.
func number(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

func (e *event) open(cpu int) (int, error) {
	const everyProcess, noGroup = -1, -1
	e.attr.Size = uint32(unsafe.Sizeof(e.attr))
	fd, err := unix.PerfEventOpen(&e.attr, everyProcess, cpu, noGroup, unix.PERF_FLAG_FD_CLOEXEC)
	runtime.KeepAlive(e.name)
	return fd, os.NewSyscallError("perf_event_open", err)
}

// Descriptors are files of which each holds a count, 8 bytes in the order of this
// machine. They belong to the set.
func (s *Set) Descriptors() []uintptr {
	var all []uintptr
	for _, fd := range s.fds {
		all = append(all, uintptr(fd))
	}
	return all
}

// Sum makes counts of functions, in the order that Open was given, of what was
// read from the descriptors.
func (s *Set) Sum(counts []uint64) []uint64 {
	var sums []uint64
	for each := range slices.Chunk(counts, s.perFunction) {
		sum := uint64(0)
		for _, n := range each {
			sum += n
		}
		sums = append(sums, sum)
	}
	return sums
}

// Close ends the counting.
func (s *Set) Close() error {
	var err error
	for _, fd := range s.fds {
		err = errors.Join(err, unix.Close(fd))
	}
	s.fds = nil
	return err
}
