// SPDX-License-Identifier: MIT

package workloads

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// quick options do not wait for the parent to come to rest: these tests count
// what the child does.
func quick(calls int) Options { return Options{Calls: calls, Quiesce: -1} }

func run(t *testing.T, p *Program, o Options) *Result {
	t.Helper()
	res, err := Run(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func newProgram(t *testing.T, ops ...Op) *Program {
	t.Helper()
	p := &Program{Ops: ops}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func tempFile(t *testing.T, content []byte) *os.File {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}

func alloc(t *testing.T, p *Program, n int) ([]byte, uintptr) {
	t.Helper()
	b, at, err := p.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	return b, at
}

// A file that the program makes longer with each call counts the calls as
// well, and tells on which side of an observation they were.
func TestObservationsEncloseTheCountedCalls(t *testing.T) {
	tests := map[string]struct {
		options Options
		batches int
	}{
		"whole batches":                {Options{Calls: 40, Batch: 10}, 4},
		"calls left over":              {Options{Calls: 47, Batch: 10}, 4},
		"batch larger than the run":    {Options{Calls: 5, Batch: 10}, 1},
		"batch not given":              {Options{Calls: 1001}, 2},
		"after warming up":             {Options{Calls: 40, Batch: 10, Warmup: 7}, 4},
		"paced":                        {Options{Calls: 20, Rate: Rate{calls: 100, period: time.Millisecond}}, 20},
		"paced, at an impossible rate": {Options{Calls: 20, Rate: Rate{calls: 1, period: 1}}, 20},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := tempFile(t, []byte("head"))
			const chunk = 3
			p := newProgram(t)
			_, buf := alloc(t, p, chunk)
			p.Ops = []Op{{Nr: unix.SYS_WRITE, Args: [6]uintptr{f.Fd(), buf, chunk}, Measured: true}}
			test.options.Quiesce = -1
			test.options.Observe = []*os.File{f}
			res := run(t, p, test.options)
			before := len("head") + chunk*test.options.Warmup
			if got := len(res.Before[0]); got != before {
				t.Errorf("%d bytes before, want %d", got, before)
			}
			if got, want := len(res.After[0]), before+chunk*test.options.Calls; got != want {
				t.Errorf("%d bytes after, want %d", got, want)
			}
			if res.Issued != uint64(test.options.Calls) {
				t.Errorf("issued %d, want %d", res.Issued, test.options.Calls)
			}
			if len(res.Ticks) != test.batches {
				t.Errorf("%d batches were timed, want %d", len(res.Ticks), test.batches)
			}
			if paced := !test.options.Rate.IsMax(); paced != (len(res.Late) == test.batches) {
				t.Errorf("lateness of %d calls, paced: %v", len(res.Late), paced)
			}
		})
	}
}

func TestObservedFileIsReadWhole(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	p := newProgram(t, Op{Nr: unix.SYS_GETPID, Measured: true})
	o := quick(1)
	o.Observe = []*os.File{tempFile(t, nil), tempFile(t, long)}
	res := run(t, p, o)
	for _, got := range [][][]byte{res.Before, res.After} {
		if diff := cmp.Diff([]int{0, len(long)}, []int{len(got[0]), len(got[1])}); diff != "" {
			t.Errorf("lengths (-want +got):\n%s", diff)
		}
		if !bytes.Equal(got[1], long) {
			t.Error("contents differ from the file's")
		}
	}
	o.ObserveSize = len(long) - 1
	if _, err := Run(t.Context(), p, o); err == nil || !strings.Contains(err.Error(), "65535 bytes") {
		t.Errorf("file one byte too long: error %v", err)
	}
	unreadable, err := os.OpenFile(t.TempDir()+"/w", os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer unreadable.Close()
	o.Observe = []*os.File{unreadable}
	if _, err := Run(t.Context(), p, o); !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), "read an observed file") {
		t.Errorf("file that cannot be read: error %v", err)
	}
}

func TestStridesFillOneSlotAfterAnother(t *testing.T) {
	content := []byte("every slot gets the byte at its own offset")
	f := tempFile(t, content)
	p := newProgram(t)
	slots, at := alloc(t, p, len(content))
	p.Ops = []Op{
		{Nr: unix.SYS_GETPID},
		{
			Nr: unix.SYS_PREAD64, Measured: true,
			Args: [6]uintptr{f.Fd(), at, 1, 0}, Stride: [6]uintptr{0, 1, 0, 1},
		},
	}
	o := quick(len(content))
	o.Batch, o.Warmup = 5, 3
	for range 2 { // the second run begins where the first began
		clear(slots)
		run(t, p, o)
		if diff := cmp.Diff(string(content), string(slots)); diff != "" {
			t.Errorf("slots (-want +got):\n%s", diff)
		}
	}
}

func TestEveryArgumentAndStrideReachesTheKernel(t *testing.T) {
	p := newProgram(t)
	// mmap takes six arguments and checks all but the descriptor's page
	// offset, which the kernel returns in the pages' contents.
	const pages, page = 4, 4096
	content := make([]byte, pages*page)
	for i := range pages {
		content[i*page] = byte('a' + i)
	}
	f := tempFile(t, content)
	_, at := alloc(t, p, pages*page)
	p.Ops = []Op{{
		Nr: unix.SYS_MMAP, Measured: true,
		Args:   [6]uintptr{at, page, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_FIXED, f.Fd(), 0},
		Stride: [6]uintptr{page, 0, 0, 0, 0, page},
	}, {
		// The child's mapping is its own; what it holds goes into the file.
		Nr:     unix.SYS_PWRITE64,
		Args:   [6]uintptr{f.Fd(), at, 1, 1},
		Stride: [6]uintptr{0, page, 0, page},
	}}
	run(t, p, quick(pages))
	got, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	for i := range pages {
		if want := strings.Repeat(string(rune('a'+i)), 2); string(got[i*page:i*page+2]) != want {
			t.Errorf("page %d of the file begins %q, want %q", i, got[i*page:i*page+2], want)
		}
	}
}

func TestRunStopsAtTheCallThatFails(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	const chunk = 4096
	fd := w.Fd() // makes it block
	size, err := unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 16*chunk)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(int(fd), true); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t)
	_, buf := alloc(t, p, chunk)
	p.Ops = []Op{
		{Name: "getpid", Nr: unix.SYS_GETPID, Measured: true},
		{Name: "write", Nr: unix.SYS_WRITE, Args: [6]uintptr{fd, buf, chunk}, Measured: true},
	}
	o := quick(1000)
	o.Batch = 8
	log := tempFile(t, []byte("x"))
	o.Observe = []*os.File{log}
	res, err := Run(t.Context(), p, o)
	held, e := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
	if e != nil {
		t.Fatal(e)
	}
	if held != size {
		t.Fatalf("the pipe holds %d bytes, want %d", held, size)
	}
	// As many pairs as there are chunks in the pipe, then one that fails.
	want := uint64(2 * (held/chunk + 1))
	var opErr *OpError
	if !errors.As(err, &opErr) || !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("error %v, want one that wraps EAGAIN", err)
	}
	if opErr.Index != 1 || opErr.Op.Name != "write" || opErr.Issued != want || opErr.Warmup {
		t.Errorf("got %+v, want index 1, write, issued %d", opErr, want)
	}
	if res == nil || res.Issued != want {
		t.Fatalf("result %+v, want issued %d", res, want)
	}
	if got := len(res.Ticks); got != held/chunk/4 {
		t.Errorf("%d whole batches, want %d", got, held/chunk/4)
	}
	if len(res.After) != 1 || string(res.After[0]) != "x" {
		t.Errorf("second observation %q was not made", res.After)
	}
}

func TestFailureWhileWarmingUpIsSaidToBeThat(t *testing.T) {
	p := newProgram(t, Op{Name: "close", Nr: unix.SYS_CLOSE, Args: [6]uintptr{^uintptr(0)}, Measured: true})
	o := quick(10)
	o.Warmup = 1
	res, err := Run(t.Context(), p, o)
	var opErr *OpError
	if !errors.As(err, &opErr) || !opErr.Warmup || opErr.Errno != unix.EBADF || opErr.Issued != 0 {
		t.Errorf("error %v, want EBADF while warming up with no call issued", err)
	}
	if res == nil || res.Issued != 0 {
		t.Errorf("result %+v, want one with no call issued", res)
	}
}

// The child opens what is free and must get the number that it was told.
func TestRunStopsAtAResultThatMustNotBe(t *testing.T) {
	p := newProgram(t)
	free, err := p.FreeDescriptors(2)
	if err != nil {
		t.Fatal(err)
	}
	dup := Op{Name: "dup", Nr: unix.SYS_DUP, Args: [6]uintptr{0}, Want: free[0], Measured: true}
	p.Ops = []Op{dup, closing(free[0])}
	if res := run(t, p, quick(20)); res.Issued != 20 {
		t.Errorf("issued %d, want 20", res.Issued)
	}
	p.Ops = []Op{dup} // the second one gets the next number
	res, err := Run(t.Context(), p, quick(20))
	var opErr *OpError
	if !errors.As(err, &opErr) || opErr.Errno != 0 || opErr.Got != free[1] || opErr.Issued != 2 {
		t.Fatalf("error %v, want one that has the result %d of the second call", err, free[1])
	}
	if want := fmt.Sprintf("returned %#x and not %#x", free[1], free[0]); !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
	if res == nil || res.Issued != 2 {
		t.Errorf("result %+v, want issued 2", res)
	}
}

// An eventfd is a counter that reading sets to 0.
func TestCountersAreReadBeforeAndAfter(t *testing.T) {
	p := newProgram(t)
	fd, err := unix.Eventfd(5, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	three, err := put(p, uint64(3))
	if err != nil {
		t.Fatal(err)
	}
	p.Ops = []Op{{Name: "write", Nr: unix.SYS_WRITE, Args: [6]uintptr{uintptr(fd), three, 8}, Measured: true}}
	o := quick(7)
	o.Counters = []uintptr{uintptr(fd)}
	if res := run(t, p, o); len(res.Counted) != 1 || res.Counted[0] != 3*7-5 {
		t.Errorf("counted %v, want that the second reading is 21 and the first 5", res.Counted)
	}
	p.Ops = []Op{{Name: "getpid", Nr: unix.SYS_GETPID, Measured: true}}
	if _, err := Run(t.Context(), p, o); !errors.Is(err, unix.EAGAIN) || !strings.Contains(err.Error(), "read a counter") {
		t.Errorf("error %v, want one that names the empty counter", err)
	}
}

// A word that the program itself reads from a file, where the number of the round
// is written: what is measured lies between the first and the second reading.
func TestWordsAreReadBeforeAndAfter(t *testing.T) {
	p := newProgram(t)
	mem, at := alloc(t, p, 16)
	f := tempFile(t, []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00"))
	p.Ops = []Op{{
		Name: "pread64", Nr: unix.SYS_PREAD64, Args: [6]uintptr{f.Fd(), at, 8, 0},
		Stride: [6]uintptr{3: 8}, Measured: true,
	}}
	o := quick(2)
	o.Warmup = 1
	o.Words = []*uint64{(*uint64)(unsafe.Pointer(&mem[0])), (*uint64)(unsafe.Pointer(&mem[8]))}
	if res := run(t, p, o); !slices.Equal(res.Written, []uint64{6, 0}) {
		t.Errorf("written %v, want that the second reading is 6 more than the first, which the warm-up left", res.Written)
	}
}

func TestSetupThatFails(t *testing.T) {
	p := newProgram(t, Op{Nr: unix.SYS_GETPID, Measured: true})
	p.Setup = []Op{{Nr: unix.SYS_GETPID}, closing(^uintptr(0))}
	_, err := Run(t.Context(), p, quick(1))
	var opErr *OpError
	if !errors.As(err, &opErr) || opErr.Index != 1 || opErr.Op.Name != "close" || opErr.Errno != unix.EBADF || !opErr.Warmup {
		t.Errorf("error %v, want EBADF of the second call", err)
	}
}

func TestSetupIsDoneOnceBeforeTheWarmUp(t *testing.T) {
	f := tempFile(t, nil)
	p := newProgram(t)
	_, at := alloc(t, p, 3)
	appending := Op{Nr: unix.SYS_WRITE, Args: [6]uintptr{f.Fd(), at, 1}}
	p.Setup = []Op{appending, appending}
	appending.Measured, appending.Args[2] = true, 3
	p.Ops = []Op{appending}
	run(t, p, Options{Calls: 5, Warmup: 2, Quiesce: -1})
	if info, err := f.Stat(); err != nil || info.Size() != 2+3*(5+2) {
		t.Errorf("%d bytes, %v, want %d", info.Size(), err, 2+3*(5+2))
	}
}

func TestNewProcessThatFails(t *testing.T) {
	p := newProgram(t)
	p.Ops = process(Op{Name: "fork", Nr: unix.SYS_FORK, Child: []Op{{Nr: unix.SYS_GETPID}, closing(^uintptr(0))}})
	_, err := Run(t.Context(), p, quick(3))
	var opErr *OpError
	if !errors.As(err, &opErr) || !opErr.Child || opErr.Index != 1 || opErr.Errno != unix.EBADF {
		t.Errorf("error %v, want EBADF of the second call of a new process", err)
	}
	p.Ops[0].Child[1].AllowErr = unix.EBADF
	run(t, p, quick(3))
}

// The touched page is there for the kernel only after the touch.
func TestTouchWritesToMemory(t *testing.T) {
	p := newProgram(t)
	b, at := alloc(t, p, 2)
	p.Ops = []Op{{Touch: true, Args: [6]uintptr{at}, Stride: [6]uintptr{1}, Measured: true}}
	run(t, p, quick(1))
	if b[0] != 1 || b[1] != 0 {
		t.Errorf("memory is %v, want [1 0]", b)
	}
}

func TestAllowedErrorDoesNotStop(t *testing.T) {
	closeNothing := Op{Nr: unix.SYS_CLOSE, Args: [6]uintptr{^uintptr(0)}, Measured: true, AllowErr: unix.EBADF}
	if res := run(t, newProgram(t, closeNothing), quick(25)); res.Issued != 25 {
		t.Errorf("issued %d, want 25", res.Issued)
	}
	closeNothing.AllowErr = unix.EINTR
	if _, err := Run(t.Context(), newProgram(t, closeNothing), quick(25)); !errors.Is(err, unix.EBADF) {
		t.Errorf("another errno is allowed: error %v, want EBADF", err)
	}
}

func TestChildRunsWhereItIsTold(t *testing.T) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	for cpu := range runtime.NumCPU() {
		if !allowed.IsSet(cpu) {
			continue
		}
		p := newProgram(t)
		slot, at := alloc(t, p, 4)
		p.Ops = []Op{{Nr: unix.SYS_GETCPU, Args: [6]uintptr{at}, Measured: true}}
		o := quick(1)
		o.CPUs = []int{cpu}
		run(t, p, o)
		if got := *(*uint32)(unsafe.Pointer(&slot[0])); got != uint32(cpu) {
			t.Errorf("ran on CPU %d, want %d", got, cpu)
		}
	}
	o := quick(1)
	o.CPUs = []int{1 << 20}
	if _, err := Run(t.Context(), newProgram(t, Op{Nr: unix.SYS_GETPID, Measured: true}), o); err == nil {
		t.Error("no error for a CPU that cannot be")
	}
	o.CPUs = []int{1000}
	if _, err := Run(t.Context(), newProgram(t, Op{Nr: unix.SYS_GETPID, Measured: true}), o); !errors.Is(err, unix.EINVAL) {
		t.Errorf("error %v for a CPU that is not there, want EINVAL", err)
	}
}

func TestCancelKillsTheChild(t *testing.T) {
	defer goleak.VerifyNone(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := newProgram(t)
	request, at := alloc(t, p, int(unsafe.Sizeof(unix.Timespec{})))
	(*unix.Timespec)(unsafe.Pointer(&request[0])).Sec = 3600
	p.Ops = []Op{
		{Name: "write", Nr: unix.SYS_WRITE, Args: [6]uintptr{w.Fd(), at, 1}},
		{Name: "nanosleep", Nr: unix.SYS_NANOSLEEP, Args: [6]uintptr{at}, Measured: true},
	}
	why := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := Run(ctx, p, quick(1))
		done <- err
	}()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("error %v, want the cause", err)
	}
	noChildren(t)
	// Nobody else has the pipe open for writing once the child is dead.
	w.Close()
	if n, err := r.Read(make([]byte, 1)); n != 0 {
		t.Errorf("read %d bytes, %v, want the end of the file", n, err)
	}
	if _, err := Run(ctx, p, quick(1)); !errors.Is(err, why) {
		t.Errorf("run with a context that has ended: error %v, want the cause", err)
	}
}

func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG|unix.WALL, nil); err != unix.ECHILD {
		t.Errorf("wait4 says %d, %v, want no child", pid, err)
	}
}

func TestProgramThatEndsTheChildIsAnError(t *testing.T) {
	p := newProgram(t)
	o := quick(1)
	p.Ops = []Op{{Nr: unix.SYS_EXIT_GROUP, Args: [6]uintptr{3}, Measured: true}}
	if _, err := Run(t.Context(), p, o); err == nil || !strings.Contains(err.Error(), "ended early") {
		t.Errorf("program that exits: error %v", err)
	}
	noChildren(t)
}

// permitted are the generators that can be run here: container engines have their
// processes believe that there is no clone3.
func permitted(t *testing.T) []Generator {
	t.Helper()
	all := All()
	if _, _, err := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0); err != unix.ENOSYS {
		return all
	}
	t.Log("clone3 is left out: this machine has none, or hides it")
	return slices.DeleteFunc(all, func(g Generator) bool { return g.Name == "clone3" })
}

func TestRunsLeaveNothingBehind(t *testing.T) {
	before := resources(t)
	for _, g := range permitted(t) {
		p, err := g.Prepare()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{quick(20), {Calls: 5, Rate: Rate{calls: 10, period: time.Millisecond}, Quiesce: -1}} {
			run(t, p, o)
		}
		owns := len(p.mem.maps)+len(p.files)+len(p.fds) > 0
		if during := resources(t); owns != (during != before) {
			t.Errorf("%s: %+v before, %+v while prepared, which is not what it says it owns", g.Name, before, during)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Run(t.Context(), p, quick(1)); err == nil {
			t.Error("a closed program was run")
		}
	}
	if _, err := Run(t.Context(), newProgram(t, Op{Nr: unix.SYS_CLOSE, Args: [6]uintptr{^uintptr(0)}, Measured: true}), quick(1)); err == nil {
		t.Error("no error")
	}
	if after := resources(t); after != before {
		t.Errorf("%+v before, %+v after", before, after)
	}
	noChildren(t)
}

type held struct{ shared, files int }

// resources counts shared mappings, which the Go runtime does not make, and
// open files.
func resources(t *testing.T) held {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return held{bytes.Count(maps, []byte("/dev/zero (deleted)")), len(fds)}
}

// The mask that Run changes is the thread's, so a thread that ran a child
// must still get its signals.
func TestSignalMaskIsRestored(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mask := func() (s unix.Sigset_t) {
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := mask()
	// The Go runtime takes SIGCHLD on every thread.
	if before.Val[0]&(1<<(unix.SIGCHLD-1)) != 0 {
		t.Fatal("an earlier run left the thread with its signals blocked")
	}
	run(t, newProgram(t, Op{Nr: unix.SYS_GETPID, Measured: true}), quick(1))
	if diff := cmp.Diff(before, mask()); diff != "" {
		t.Errorf("signal mask (-before +after):\n%s", diff)
	}
}

func TestEachCallIsTimed(t *testing.T) {
	const calls, nap = 10, time.Millisecond
	p := &Program{}
	defer p.Close()
	request, err := put(p, unix.NsecToTimespec(int64(nap)))
	if err != nil {
		t.Fatal(err)
	}
	p.Ops = []Op{
		{Name: "getpid", Nr: unix.SYS_GETPID, Measured: true},
		{Name: "nanosleep", Nr: unix.SYS_NANOSLEEP, Args: [6]uintptr{request}},
	}
	r, err := Run(context.Background(), p, Options{Calls: calls, Each: true, Warmup: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.OpTicks) != len(p.Ops) {
		t.Fatalf("%d operations are timed, want %d", len(r.OpTicks), len(p.Ops))
	}
	slept := nap.Seconds() * r.TicksPerSec
	if got := r.OpTicks[1]; got < 0.99*slept { // the rate is an estimate
		t.Errorf("a sleep of %v took %.0f ticks, and so long are %.0f", nap, got, slept)
	}
	whole := float64(r.End.Ticks-r.Start.Ticks) / calls
	if sum := r.OpTicks[0] + r.OpTicks[1]; r.OpTicks[0] <= 0 || sum > whole {
		t.Errorf("calls took %.0f ticks, of %.0f in a round", r.OpTicks, whole)
	}
}

func TestStampsAreInOrder(t *testing.T) {
	p := newProgram(t, Op{Nr: unix.SYS_GETPID, Measured: true})
	var from, to unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &from)
	res := run(t, p, Options{Calls: 1000, Batch: 100})
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &to)
	if !(from.Nano() < res.Start.MonoNs && res.Start.MonoNs < res.End.MonoNs && res.End.MonoNs < to.Nano()) {
		t.Errorf("start %d and end %d are not in order within %d and %d",
			res.Start.MonoNs, res.End.MonoNs, from.Nano(), to.Nano())
	}
	var sum uint64
	for _, ticks := range res.Ticks {
		sum += ticks
	}
	if whole := res.End.Ticks - res.Start.Ticks; sum == 0 || sum > whole {
		t.Errorf("the batches took %d ticks, the whole run %d", sum, whole)
	}
	if res.LoopTicks == 0 || res.LoopTicks > sum {
		t.Errorf("loop of %d ticks, all batches %d", res.LoopTicks, sum)
	}
	if res.TicksPerSec <= 0 || res.Achieved <= 0 {
		t.Errorf("ticks per second %g, achieved %g: want both above 0", res.TicksPerSec, res.Achieved)
	}
}
