// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// threadCalls are the system calls that the threads make, and how often each
// of them does.
var threadCalls = map[string]int{
	"sys_getpid": 3000, "sys_read": 1000, "sys_futex": 1000, "sys_nanosleep": 100, "sys_clone": 15,
}

const threads = 4

// fourThreads makes system calls in four threads on both processors. The Go
// runtime makes them as well, as often as it likes, so that the truth is another
// counter in the kernel: a kretprobe of the testbed's on the same function.
func fourThreads(t *T) {
	loadTestbed(t)
	var funcs []string
	refs := map[string]*kmod.RefProbe{}
	for f := range threadCalls {
		funcs = append(funcs, f)
		refs[f] = must(session(t).RefProbe("__x64_" + f))(t)
	}
	p := load(t, funcs)
	wantBackend(t, p)
	before := map[string]int64{}
	for _, f := range funcs {
		before[f] = ahead(t, p, f, refs[f])
	}
	var work []func() error
	for range threads {
		work = append(work, makeCalls)
	}
	at(t, work...)
	for _, f := range funcs {
		if now := ahead(t, p, f, refs[f]); now != before[f] {
			t.Errorf("%s: profiler.ko counts %d calls more than the testbed", f, now-before[f])
		}
		made := uint64(threads * threadCalls[f])
		if got := statOf(t, p, f).Invocations; got < made || f == "sys_getpid" && got != made {
			t.Errorf("%s: %d invocations, %d calls were made", f, got, made)
		}
		if got := missed(t, p)[f]; got != 0 {
			t.Errorf("%s: %d calls missed", f, got)
		}
	}
}

// ahead returns how many calls more profiler.ko has counted than the testbed's
// probe. It looks until it finds the same twice: a call may have met one probe,
// and not yet the other.
func ahead(t *T, p *kmod.Profiler, f string, ref *kmod.RefProbe) int64 {
	last := aheadNow(t, p, f, ref)
	for range 1000 {
		time.Sleep(time.Millisecond)
		now := aheadNow(t, p, f, ref)
		if now == last {
			return now
		}
		last = now
	}
	t.Fatalf("%s is met by one probe and not by the other all the time", f)
	panic("not reached")
}

// aheadNow looks until there were no calls while it did.
func aheadNow(t *T, p *kmod.Profiler, f string, ref *kmod.RefProbe) int64 {
	for range 1000 {
		first := countOf(t, p, f)
		count := must(ref.Read())(t)
		if count.Missed != 0 {
			t.Fatalf("%s: the testbed's probe missed %d calls", f, count.Missed)
		}
		if countOf(t, p, f) == first {
			return int64(first) - int64(count.Entered)
		}
	}
	t.Fatalf("%s is called all the time", f)
	panic("not reached")
}

// countOf reads how often a function was called, without read().
func countOf(t *T, p *kmod.Profiler, f string) uint64 {
	fd := must(unix.Open(p.StatsPath(), unix.O_RDONLY|unix.O_CLOEXEC, 0))(t)
	defer unix.Close(fd)
	buf := make([]byte, os.Getpagesize())
	n := must(unix.Pread(fd, buf, 0))(t)
	for _, s := range must(kmod.ParseStats(buf[:n]))(t) {
		if s.Symbol == f {
			return s.Invocations
		}
	}
	t.Fatalf("stats says nothing of %s", f)
	panic("not reached")
}

func makeCalls() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	zero, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(zero)
	var word uint32
	var buf [64]byte
	brief := unix.Timespec{Nsec: 1000}
	for f, call := range map[string]func() error{
		"sys_getpid":    func() error { unix.RawSyscall(unix.SYS_GETPID, 0, 0, 0); return nil },
		"sys_read":      func() error { _, err := unix.Read(zero, buf[:]); return err },
		"sys_futex":     func() error { return wakeNobody(&word) },
		"sys_nanosleep": func() error { return nap(&brief) },
		"sys_clone":     func() error { return exec.Command(filepath.Join("/bin", "true")).Run() },
	} {
		for range threadCalls[f] {
			if err := call(); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
		}
	}
	return nil
}

// nap sleeps, perhaps not to the end: the signal that a child has ended comes
// to any thread. The call was made all the same.
func nap(d *unix.Timespec) error {
	if err := unix.Nanosleep(d, nil); !errors.Is(err, unix.EINTR) {
		return err
	}
	return nil
}

func wakeNobody(word *uint32) error {
	const wakePrivate = 1 | 128 // FUTEX_WAKE, FUTEX_PRIVATE_FLAG
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), wakePrivate, 1, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
