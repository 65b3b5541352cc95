// SPDX-License-Identifier: MIT

package workloads

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The engine's count is held against what the kernel tells a tracer. The test
// binary runs itself under ptrace, and every system call of every process in
// it is recorded by number. It does so once for many generators: to trace how it
// starts takes longer than all else.

const traceeEnv = "WORKLOADS_TRACEE"

type traceeJob struct {
	Generators    []string
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

// traced is what was found out about one generator.
type traced struct {
	traceeReport
	engine   []call // between its two observations
	children []call // of processes that it made, at any time
}

func TestMain(m *testing.M) {
	if job := os.Getenv(traceeEnv); job != "" {
		beTracee(job)
		return
	}
	os.Exit(m.Run())
}

func beTracee(text string) {
	var job traceeJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		panic(err)
	}
	var reports []traceeReport
	for _, name := range job.Generators {
		var report traceeReport
		if err := runTracee(job, named(name), &report); err != nil {
			report.Err = err.Error()
		}
		reports = append(reports, report)
	}
	_ = json.NewEncoder(os.Stdout).Encode(reports)
}

func runTracee(job traceeJob, g Generator, report *traceeReport) error {
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

func named(name string) Generator {
	all := All()
	return all[slices.IndexFunc(all, func(g Generator) bool { return g.Name == name })]
}

// call is a system call as the tracer saw it begin.
type call struct {
	pid      int
	parent   int // of the process
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

// trace runs the job. Calls are in the order in which they began.
func trace(t *testing.T, job traceeJob) map[string]traced {
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

	var reports []traceeReport
	b, err := os.ReadFile(out.Name())
	if err == nil {
		err = json.Unmarshal(b, &reports)
	}
	if err != nil {
		t.Fatalf("traced process: %v", err)
	}
	all := map[string]traced{}
	pids := engines(calls)
	for i, report := range reports {
		if report.Err != "" || i >= len(pids) {
			t.Fatalf("%s in a traced process, the last of %d engines: %s", job.Generators[i], len(pids), report.Err)
		}
		engine, children := window(t, calls, pids[i])
		all[job.Generators[i]] = traced{report, engine, children}
	}
	return all
}

// engines are the processes that do what the engine alone does, in the order in
// which they began.
func engines(calls []call) (pids []int) {
	for _, c := range calls {
		if c.nr == unix.SYS_PRCTL && c.args[0] == unix.PR_SET_TIMERSLACK {
			pids = append(pids, c.pid)
		}
	}
	return pids
}

func follow(t *testing.T, root int) (calls []call) {
	t.Helper()
	var ws unix.WaitStatus
	if _, err := unix.Wait4(root, &ws, 0, nil); err != nil || !ws.Stopped() {
		t.Fatalf("traced process did not stop: %v, status %#x", err, ws)
	}
	opts := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
		unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(root, opts); err != nil {
		t.Fatal(err)
	}
	born := map[int]bool{root: true}
	parents := map[int]int{}
	for pid, signal := root, 0; ; {
		// A thread that another one's exit ends under the tracer is gone.
		if err := unix.PtraceSyscall(pid, signal); err != nil && err != unix.ESRCH {
			t.Fatalf("continue %d: %v", pid, err)
		}
		var err error
		for {
			pid, err = unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
			if err == unix.ECHILD {
				return withParents(calls, parents)
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
			if child, err := unix.PtraceGetEventMsg(pid); err == nil && ws.TrapCause() != unix.PTRACE_EVENT_EXEC {
				parents[int(child)] = pid
			}
		case stop == unix.SIGSTOP && !born[pid]:
			born[pid] = true
		default:
			signal = int(stop)
		}
	}
}

// withParents fills in who made the processes: one may be seen to make calls
// before it is known.
func withParents(calls []call, parents map[int]int) []call {
	for i := range calls {
		calls[i].parent = parents[calls[i].pid]
	}
	return calls
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

// window returns what an engine called between its two observations, and
// what its children called at any time. Each observation is a row of preadv.
func window(t *testing.T, calls []call, pid int) (engine, children []call) {
	t.Helper()
	for _, c := range calls {
		switch pid {
		case c.pid:
			engine = append(engine, c)
		case c.parent:
			children = append(children, c)
		}
	}
	isRead := func(c call) bool { return c.nr == unix.SYS_PREADV }
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

func repeat(n int, nrs ...uint64) (all []uint64) {
	for range n {
		all = append(all, nrs...)
	}
	return all
}

// tracedRound is what a tracer must see of a round.
type tracedRound struct{ round, child []uint64 }

// tracedRounds has each generator by name. A write to memory is no call.
var tracedRounds = map[string]tracedRound{
	"brk":     {round: []uint64{unix.SYS_BRK, unix.SYS_BRK}},
	"clone":   {[]uint64{unix.SYS_CLONE, unix.SYS_WAIT4}, []uint64{unix.SYS_EXIT}},
	"clone3":  {[]uint64{unix.SYS_CLONE3, unix.SYS_WAIT4}, []uint64{unix.SYS_EXIT}},
	"dup":     {round: []uint64{unix.SYS_DUP, unix.SYS_CLOSE}},
	"epoll":   {round: []uint64{unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_WAIT}},
	"eventfd": {round: []uint64{unix.SYS_WRITE, unix.SYS_READ}},
	"execve":  {[]uint64{unix.SYS_CLONE, unix.SYS_WAIT4}, []uint64{unix.SYS_EXECVE, unix.SYS_EXIT}},
	"fork":    {[]uint64{unix.SYS_FORK, unix.SYS_WAIT4}, []uint64{unix.SYS_EXIT}},
	"futex": {
		[]uint64{unix.SYS_CLONE, unix.SYS_FUTEX, unix.SYS_FUTEX, unix.SYS_WAIT4, unix.SYS_FUTEX, unix.SYS_FUTEX},
		[]uint64{unix.SYS_FUTEX, unix.SYS_FUTEX, unix.SYS_EXIT},
	},
	"getdents64":   {round: []uint64{unix.SYS_LSEEK, unix.SYS_GETDENTS64}},
	"getpid":       {round: []uint64{unix.SYS_GETPID}},
	"gettimeofday": {round: []uint64{unix.SYS_GETTIMEOFDAY}},
	"ioctl":        {round: []uint64{unix.SYS_IOCTL}},
	"mmap":         {round: []uint64{unix.SYS_MMAP, unix.SYS_MUNMAP}},
	"mprotect":     {round: []uint64{unix.SYS_MPROTECT, unix.SYS_MPROTECT}},
	"nanosleep":    {round: []uint64{unix.SYS_NANOSLEEP}},
	"newfstatat":   {round: []uint64{unix.SYS_NEWFSTATAT}},
	"openat":       {round: []uint64{unix.SYS_OPENAT, unix.SYS_CLOSE}},
	"pagefault":    {round: []uint64{unix.SYS_MADVISE}},
	"pipe":         {round: []uint64{unix.SYS_WRITE, unix.SYS_READ}},
	"pipe2":        {round: []uint64{unix.SYS_PIPE2, unix.SYS_CLOSE, unix.SYS_CLOSE}},
	"poll":         {round: []uint64{unix.SYS_POLL}},
	"pread64":      {round: []uint64{unix.SYS_PREAD64}},
	"pwrite64":     {round: []uint64{unix.SYS_PWRITE64}},
	"read":         {round: []uint64{unix.SYS_READ}},
	"sched_yield":  {round: []uint64{unix.SYS_SCHED_YIELD}},
	"select":       {round: []uint64{unix.SYS_SELECT}},
	"sendmsg":      {round: []uint64{unix.SYS_SENDMSG, unix.SYS_RECVMSG}},
	"statx":        {round: []uint64{unix.SYS_STATX}},
	"tcp":          {round: []uint64{unix.SYS_SENDTO, unix.SYS_RECVFROM}},
	"udp":          {round: []uint64{unix.SYS_SENDTO, unix.SYS_RECVFROM}},
	"unix":         {round: []uint64{unix.SYS_SENDTO, unix.SYS_RECVFROM}},
	"vfork":        {[]uint64{unix.SYS_VFORK, unix.SYS_WAIT4}, []uint64{unix.SYS_EXIT}},
	"write":        {round: []uint64{unix.SYS_WRITE}},
}

// functions has the kernel's function of each system call that is said to be in
// a round, from the kernel's table of system calls.
var functions = map[string]uint64{
	"sys_brk": unix.SYS_BRK, "sys_clone": unix.SYS_CLONE,
	"sys_clone3": unix.SYS_CLONE3, "sys_close": unix.SYS_CLOSE, "sys_dup": unix.SYS_DUP,
	"sys_epoll_ctl": unix.SYS_EPOLL_CTL, "sys_epoll_wait": unix.SYS_EPOLL_WAIT, "sys_execve": unix.SYS_EXECVE,
	"sys_fork": unix.SYS_FORK, "sys_futex": unix.SYS_FUTEX, "sys_getdents64": unix.SYS_GETDENTS64,
	"sys_getpid": unix.SYS_GETPID, "sys_gettimeofday": unix.SYS_GETTIMEOFDAY, "sys_ioctl": unix.SYS_IOCTL,
	"sys_lseek": unix.SYS_LSEEK, "sys_madvise": unix.SYS_MADVISE, "sys_mmap": unix.SYS_MMAP,
	"sys_mprotect": unix.SYS_MPROTECT, "sys_munmap": unix.SYS_MUNMAP, "sys_nanosleep": unix.SYS_NANOSLEEP,
	"sys_newfstatat": unix.SYS_NEWFSTATAT, "sys_openat": unix.SYS_OPENAT, "sys_pipe2": unix.SYS_PIPE2,
	"sys_poll": unix.SYS_POLL, "sys_pread64": unix.SYS_PREAD64, "sys_pwrite64": unix.SYS_PWRITE64,
	"sys_read": unix.SYS_READ, "sys_recvfrom": unix.SYS_RECVFROM, "sys_recvmsg": unix.SYS_RECVMSG,
	"sys_sched_yield": unix.SYS_SCHED_YIELD, "sys_select": unix.SYS_SELECT, "sys_sendmsg": unix.SYS_SENDMSG,
	"sys_sendto": unix.SYS_SENDTO, "sys_statx": unix.SYS_STATX, "sys_vfork": unix.SYS_VFORK,
	"sys_wait4": unix.SYS_WAIT4, "sys_write": unix.SYS_WRITE,
}

func TestNothingButTheProgramIsCalled(t *testing.T) {
	const calls, warmup, batch = 37, 3, 10
	job := traceeJob{Calls: calls, Warmup: warmup, Batch: batch, Rate: "max", Observed: observed(t)}
	for _, g := range permitted(t) {
		job.Generators = append(job.Generators, g.Name)
	}
	for name, got := range trace(t, job) {
		t.Run(name, func(t *testing.T) {
			want, ok := tracedRounds[name]
			if !ok {
				t.Fatal("there is nothing to hold the trace against")
			}
			checkTrace(t, got, repeat(calls, want.round...), repeat(calls+warmup, want.child...))
			if got.Issued != calls {
				t.Errorf("the engine counted %d measured calls, want %d", got.Issued, calls)
			}
			checkClosedForms(t, named(name), calls, append(numbers(got.engine), repeat(calls, want.child...)...))
		})
	}
}

// checkClosedForms holds the number of calls that the generator says it made
// against the system calls that were seen.
func checkClosedForms(t *testing.T, g Generator, measured uint64, seen []uint64) {
	t.Helper()
	for _, f := range g.Funcs {
		nr, ok := functions[f.Name]
		if !ok {
			if strings.HasPrefix(f.Name, "sys_") {
				t.Errorf("which system call %s belongs to is not known here", f.Name)
			}
			continue
		}
		calls := uint64(0)
		for _, n := range seen {
			if n == nr {
				calls++
			}
		}
		if issued := g.Issued(f.Name, measured, Rate{}); issued != calls {
			t.Errorf("%s: %d calls are said to be issued, the tracer saw %d", f.Name, issued, calls)
		}
	}
}

// Between the calls of a paced run there is a sleep until each is due.
func TestPacedRunSleepsUntilCallsAreDue(t *testing.T) {
	const calls, warmup = 37, 3
	job := traceeJob{
		Generators: []string{"getpid", "clone", "openat"}, Calls: calls, Warmup: warmup, Rate: "3000/s", Observed: observed(t),
	}
	for name, got := range trace(t, job) {
		t.Run(name, func(t *testing.T) {
			want := tracedRounds[name]
			round := append([]uint64{unix.SYS_CLOCK_NANOSLEEP}, want.round...)
			checkTrace(t, got, append([]uint64{unix.SYS_CLOCK_GETTIME}, repeat(calls, round...)...),
				repeat(calls+warmup, want.child...))
			for i := range calls {
				s, due := got.engine[1+i*len(round)], got.Start+int64(i+1)*1_000_000_000/3000
				if s.args[0] != unix.CLOCK_MONOTONIC || s.args[1] != unix.TIMER_ABSTIME || s.deadline != due {
					t.Fatalf("sleep %d is clock %d flags %d until start+%d ns, want clock %d flags %d until start+%d ns",
						i, s.args[0], s.args[1], s.deadline-got.Start,
						unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, due-got.Start)
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

func checkTrace(t *testing.T, got traced, want, children []uint64) {
	t.Helper()
	if diff := cmp.Diff(want, numbers(got.engine)); diff != "" {
		t.Fatalf("system calls between the observations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(children, numbers(got.children)); diff != "" {
		t.Errorf("system calls of processes that the engine made (-want +got):\n%s", diff)
	}
	for _, c := range got.children {
		if c.nr == unix.SYS_EXIT && c.args[0] != 0 {
			t.Errorf("a process exited with status %d", c.args[0])
		}
	}
}
