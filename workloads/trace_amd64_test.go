// SPDX-License-Identifier: MIT

package workloads

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The engine's count is held against what the kernel tells a tracer. The test
// binary runs itself under ptrace, and every system call of every process in
// it is recorded by number.

const traceeEnv = "WORKLOADS_TRACEE"

type traceeJob struct {
	Function      string
	Calls, Warmup int
	Batch         int
	Rate          string
	Observed      string
}

type traceeReport struct {
	Issued uint64
	Start  int64
	Err    string
}

func TestMain(m *testing.M) {
	if job := os.Getenv(traceeEnv); job != "" {
		beTracee(job)
		return
	}
	os.Exit(m.Run())
}

func beTracee(text string) {
	var report traceeReport
	if err := runTracee(text, &report); err != nil {
		report.Err = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(report)
}

func runTracee(text string, report *traceeReport) error {
	var job traceeJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	g, err := For(job.Function)
	if err != nil {
		return err
	}
	p, err := g.Prepare()
	if err != nil {
		return err
	}
	defer p.Close()
	rate, err := ParseRate(job.Rate)
	if err != nil {
		return err
	}
	f, err := os.Open(job.Observed)
	if err != nil {
		return err
	}
	defer f.Close()
	res, err := Run(context.Background(), p, Options{
		Calls: job.Calls, Batch: job.Batch, Warmup: job.Warmup, Rate: rate, Observe: []*os.File{f}, Quiesce: -1,
	})
	if err != nil {
		return err
	}
	report.Issued, report.Start = res.Issued, res.Start.MonoNs
	return nil
}

// call is a system call as the tracer saw it begin.
type call struct {
	pid      int
	nr       uint64
	args     [6]uint64
	deadline int64 // of clock_nanosleep, in ns
}

// syscallInfo is struct ptrace_syscall_info for an entry.
type syscallInfo struct {
	Op     uint8
	_      [3]uint8
	Arch   uint32
	IP, SP uint64
	Nr     uint64
	Args   [6]uint64
	_      [2]uint64
}

const syscallEntry = 1

// trace runs the job and returns its calls in the order in which they began.
func trace(t *testing.T, job traceeJob) ([]call, traceeReport) {
	t.Helper()
	runtime.LockOSThread() // ptrace belongs to a thread
	defer runtime.UnlockOSThread()

	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.CreateTemp(t.TempDir(), "report")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), traceeEnv+"="+string(text))
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a traced process: %v", err)
	}
	calls := follow(t, cmd.Process.Pid)
	_ = cmd.Process.Release()

	var report traceeReport
	b, err := os.ReadFile(out.Name())
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil || report.Err != "" {
		t.Fatalf("traced process: %v %s", err, report.Err)
	}
	return calls, report
}

func follow(t *testing.T, root int) (calls []call) {
	t.Helper()
	var ws unix.WaitStatus
	if _, err := unix.Wait4(root, &ws, 0, nil); err != nil || !ws.Stopped() {
		t.Fatalf("traced process did not stop: %v, status %#x", err, ws)
	}
	opts := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
		unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(root, opts); err != nil {
		t.Fatal(err)
	}
	born := map[int]bool{root: true}
	for pid, signal := root, 0; ; {
		// A thread that another one's exit ends under the tracer is gone.
		if err := unix.PtraceSyscall(pid, signal); err != nil && err != unix.ESRCH {
			t.Fatalf("continue %d: %v", pid, err)
		}
		var err error
		for {
			pid, err = unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
			if err == unix.ECHILD {
				return calls
			}
			if err != nil && err != unix.EINTR {
				t.Fatal(err)
			}
			if err == nil && ws.Stopped() {
				break
			}
		}
		signal = 0
		switch stop := ws.StopSignal(); {
		case stop == unix.SIGTRAP|0x80:
			if c, ok := entry(t, pid); ok {
				calls = append(calls, c)
			}
		case stop == unix.SIGTRAP && ws.TrapCause() > 0:
		case stop == unix.SIGSTOP && !born[pid]:
			born[pid] = true
		default:
			signal = int(stop)
		}
	}
}

func entry(t *testing.T, pid int) (call, bool) {
	t.Helper()
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(pid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno == unix.ESRCH {
		return call{}, false
	}
	if errno != 0 {
		t.Fatalf("ask for the system call: %v", errno)
	}
	if info.Op != syscallEntry {
		return call{}, false
	}
	c := call{pid: pid, nr: info.Nr, args: info.Args}
	if c.nr == unix.SYS_CLOCK_NANOSLEEP {
		var ts unix.Timespec
		b := unsafe.Slice((*byte)(unsafe.Pointer(&ts)), unsafe.Sizeof(ts))
		if _, err := unix.PtracePeekData(pid, uintptr(c.args[2]), b); err != nil {
			t.Fatalf("read a deadline: %v", err)
		}
		c.deadline = ts.Nano()
	}
	return c, true
}

// window returns what the engine called between its two observations, and
// what its children called at any time. Each observation is a row of pread64.
func window(t *testing.T, calls []call) (engine, children []call) {
	t.Helper()
	pid := 0
	for _, c := range calls {
		if c.nr == unix.SYS_PRCTL && c.args[0] == unix.PR_SET_TIMERSLACK {
			pid = c.pid
		}
	}
	forked := false
	for _, c := range calls {
		switch {
		case c.pid == pid:
			engine, forked = append(engine, c), true
		case forked && c.nr == unix.SYS_EXIT:
			children = append(children, c)
		}
	}
	isRead := func(c call) bool { return c.nr == unix.SYS_PREAD64 }
	from := slices.IndexFunc(engine, isRead)
	if from < 0 {
		t.Fatalf("no observation among %d calls of the engine", len(engine))
	}
	for from < len(engine) && isRead(engine[from]) {
		from++
	}
	n := slices.IndexFunc(engine[from:], isRead)
	if n < 0 {
		t.Fatal("no second observation")
	}
	return engine[from : from+n], children
}

func numbers(calls []call) []uint64 {
	var nrs []uint64
	for _, c := range calls {
		nrs = append(nrs, c.nr)
	}
	return nrs
}

func repeat(n int, nrs ...uint64) []uint64 { return slices.Repeat(nrs, n) }

func TestNothingButTheProgramIsCalled(t *testing.T) {
	rounds := map[string][]uint64{
		"sys_getpid":       {unix.SYS_GETPID},
		"sys_clone":        {unix.SYS_CLONE, unix.SYS_WAIT4},
		"sys_wait4":        {unix.SYS_CLONE, unix.SYS_WAIT4},
		"__x64_sys_getpid": {unix.SYS_GETPID},
		"sys_nanosleep":    {unix.SYS_NANOSLEEP},
		"sys_read":         {unix.SYS_READ},
		"sys_write":        {unix.SYS_WRITE},
	}
	for _, g := range All() {
		for _, f := range g.Funcs {
			if rounds[f.Name] == nil {
				t.Errorf("%s has no trace to be held against", f.Name)
			}
		}
	}
	const calls, warmup, batch = 37, 3, 10
	for function, round := range rounds {
		job := traceeJob{Function: function, Calls: calls, Warmup: warmup, Batch: batch, Observed: observed(t)}
		children := 0
		if round[0] == unix.SYS_CLONE {
			children = calls + warmup
		}
		t.Run(function+" at max", func(t *testing.T) {
			job.Rate = "max"
			seen, report := trace(t, job)
			checkTrace(t, seen, report, repeat(calls, round...), children)
		})
		t.Run(function+" paced", func(t *testing.T) {
			job.Rate = "3000/s"
			seen, report := trace(t, job)
			want := append([]uint64{unix.SYS_CLOCK_GETTIME},
				repeat(calls, append([]uint64{unix.SYS_CLOCK_NANOSLEEP}, round...)...)...)
			sleeps := checkTrace(t, seen, report, want, children)
			for i, s := range sleeps {
				due := report.Start + int64(i+1)*1_000_000_000/3000
				if s.args[0] != unix.CLOCK_MONOTONIC || s.args[1] != unix.TIMER_ABSTIME || s.deadline != due {
					t.Fatalf("sleep %d is clock %d flags %d until start+%d ns, want clock %d flags %d until start+%d ns",
						i, s.args[0], s.args[1], s.deadline-report.Start,
						unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, due-report.Start)
				}
			}
		})
	}
}

func observed(t *testing.T) string {
	t.Helper()
	name := t.TempDir() + "/observed"
	if err := os.WriteFile(name, []byte("sys_getpid:0:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// checkTrace returns the sleeps of a paced run.
func checkTrace(t *testing.T, seen []call, report traceeReport, want []uint64, exits int) (sleeps []call) {
	t.Helper()
	engine, children := window(t, seen)
	if diff := cmp.Diff(want, numbers(engine)); diff != "" {
		t.Errorf("system calls between the observations (-want +got):\n%s", diff)
	}
	counted := uint64(0)
	for _, c := range engine {
		switch c.nr {
		case unix.SYS_CLOCK_NANOSLEEP:
			sleeps = append(sleeps, c)
		case unix.SYS_CLOCK_GETTIME, unix.SYS_WAIT4:
		default:
			counted++
		}
	}
	if report.Issued != counted {
		t.Errorf("the engine counted %d measured calls, the tracer %d", report.Issued, counted)
	}
	if len(children) != exits {
		t.Errorf("%d processes exited, want %d", len(children), exits)
	}
	for _, c := range children {
		if c.args[0] != 0 {
			t.Errorf("a process exited with status %d", c.args[0])
		}
	}
	return sleeps
}
