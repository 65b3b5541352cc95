// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// testbedArgs tells the module about the testbed's functions, so that it may
// probe them directly.
var testbedArgs = kmod.Param{Name: "args", Value: "tb_work:1,tb_work_even:1,tb_recurse:2,tb_timer_fn:1,tb_args8:8,tb_sleep:2"}

var hist = kmod.Param{Name: "hist", Value: "Y"}

// probing is how functions are probed.
func probing(t *T, p *kmod.Profiler) map[string]string {
	how := map[string]string{}
	for _, b := range must(p.Backends())(t) {
		how[b.Symbol] = b.Backend + ":" + b.Why
	}
	return how
}

// choice is about which backend is taken, and why not the cheaper one.
func choice(t *T) {
	loadTestbed(t)
	const (
		unknown = "rethook:nobody said in args how many arguments it takes"
		stays   = "rethook:it does not return"
	)
	vmalloc := inThisKernel("vmalloc")
	p := load(t, []string{"sys_getpid", "vfs_read", "vfs_write", "tb_args8", "sys_exit_group", "do_exit", "do_task_dead", vmalloc, "do_idle"},
		kmod.Param{Name: "args", Value: "vfs_read:4,__x64_sys_clone:1,tb_args8:8,do_exit:1,do_task_dead:0,do_idle:0," + vmalloc + ":1"})
	want := map[string]string{
		"sys_getpid": "direct:", "vfs_read": "direct:", "vfs_write": unknown,
		"tb_args8":       "rethook:it takes arguments on the stack",
		"sys_exit_group": stays, "do_exit": stays, "do_task_dead": stays,
		vmalloc:   "kretprobe:it notes its caller",
		"do_idle": "rethook:idle tasks sleep in it, which are in no list of tasks",
	}
	if why := lacking(rethook); why != "" {
		for symbol := range want {
			want[symbol] = "kretprobe:" + why
		}
	}
	if diff := cmp.Diff(want, probing(t, p)); diff != "" {
		t.Errorf("by itself (-want +got)\n%s", diff)
	}
	ok(t, remove(kmod.ProfilerModule))
	for _, backend := range backends(t, rethook, kretprobe) {
		p = load(t, []string{"sys_getpid"}, kmod.Param{Name: "backend", Value: backend})
		if got := probing(t, p)["sys_getpid"]; got != backend+":backend asks for it" {
			t.Errorf("by force: %s", got)
		}
		ok(t, remove(kmod.ProfilerModule))
	}
	p = load(t, []string{"sys_getpid"}, kmod.Param{Name: "clock", Value: "mono"})
	other := "rethook:the clock is not the TSC"
	if why := lacking(rethook); why != "" {
		other = "kretprobe:" + why
	}
	if got := probing(t, p)["sys_getpid"]; got != other {
		t.Errorf("on the other clock: %s, want %s", got, other)
	}
}

// withoutRethook is about a kernel in which rethook is not to be found.
func withoutRethook(t *T) {
	const why = "this kernel's rethook is not to be found"
	tb := loadTestbed(t)
	before := takeFootprint(t)
	p := load(t, []string{"tb_args8", "sys_getpid"})
	want := map[string]string{"tb_args8": "kretprobe:" + why, "sys_getpid": "direct:"}
	if diff := cmp.Diff(want, probing(t, p)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	must(tb.Args8(100))(t)
	if got := invocations(t, p)["tb_args8"]; got != 100 {
		t.Errorf("%d invocations, want 100", got)
	}
	ok(t, remove(kmod.ProfilerModule))
	log := openLog(t)
	if err := attempt(t, "funcs=sys_getpid backend=rethook"); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("by force: %v, want %v", err, unix.EOPNOTSUPP)
	}
	wantOneLine(t, "by force", log.lines(t), []string{"'sys_getpid'", "rethook", why})
	wantFootprint(t, "unloaded", before)
}

// noReturn is about functions that do not return, probed all the same.
func noReturn(t *T) {
	p := load(t, []string{"sys_exit_group"})
	before := statOf(t, p, "sys_exit_group")
	shOK(t, "(:); (:); true")
	after := statOf(t, p, "sys_exit_group")
	// The two shells, and the one that made them.
	if got := after.Invocations - before.Invocations; got != 3 || after.AverageNs != 0 {
		t.Errorf("%d more calls, average %d ns; want 3 that have not returned", got, after.AverageNs)
	}
	ok(t, remove(kmod.ProfilerModule))
}

// badParameters are those that are not about names.
func badParameters(t *T) {
	loadTestbed(t)
	before := takeFootprint(t)
	log := openLog(t)
	for _, c := range []struct {
		name, params string
		errno        unix.Errno
		named        []string
		backend      string // the one by force, which not all kernels have
	}{
		{"no such backend", "funcs=sys_getpid backend=fprobe", unix.EINVAL, []string{"backend:", "'fprobe'", "direct, rethook or kretprobe"}, ""},
		{"no such clock", "funcs=sys_getpid clock=hpet", unix.EINVAL, []string{"clock:", "'hpet'", "auto, tsc or mono"}, ""},
		{"direct where it is not safe", "funcs=sys_getpid,tb_args8 args=tb_args8:8", unix.EOPNOTSUPP, []string{"'tb_args8'", "on the stack"}, direct},
		{"direct without args", "funcs=vfs_read", unix.EOPNOTSUPP, []string{"'vfs_read'", "nobody said"}, direct},
		{"direct on another clock", "funcs=sys_getpid clock=mono", unix.EOPNOTSUPP, []string{"'sys_getpid'", "TSC"}, direct},
		{"rethook where the caller matters", "funcs=sys_getpid," + inThisKernel("vmalloc"), unix.EOPNOTSUPP, []string{"vmalloc", "it notes its caller"}, rethook},
		{"rethook where ftrace does not call from", "funcs=sys_getpid,rcu_is_watching", unix.EOPNOTSUPP, []string{"'rcu_is_watching'", "ftrace does not call from it"}, rethook},
		{"args without a number", "funcs=sys_getpid args=vfs_read", unix.EINVAL, []string{"args:", "'vfs_read'"}, ""},
		{"args without a name", "args=:4", unix.EINVAL, []string{"':4'"}, ""},
		{"args with too many", "args=f:1,vfs_read:65", unix.EINVAL, []string{"'vfs_read:65'", "64"}, ""},
		{"args with a negative one", "args=vfs_read:-1", unix.EINVAL, []string{"'vfs_read:-1'"}, ""},
		{"args with an empty item", "args=f:1,,g:1", unix.EINVAL, []string{"''"}, ""},
	} {
		if c.backend != "" {
			c.params += " backend=" + c.backend
			c.named = append(c.named, c.backend)
		}
		if why := lacking(c.backend); why != "" && !strings.Contains(c.params, "clock=") {
			c.named = []string{"cannot be probed by " + c.backend + ": " + why}
		}
		if err := attempt(t, c.params); !errors.Is(err, c.errno) {
			t.Errorf("%s: %v, want %v", c.name, err, c.errno)
			if err == nil {
				ok(t, remove(kmod.ProfilerModule))
			}
		}
		wantOneLine(t, c.name, log.lines(t), c.named)
		wantFootprint(t, c.name, before)
	}
}

// change is about setting other functions while the module is loaded.
func change(t *T) {
	tb := loadTestbed(t)
	p := load(t, []string{"tb_work", "sys_getpid", "tb_recurse"}, testbedArgs)
	must(tb.Work(1, 10))(t)
	must(tb.Call("__x64_sys_getpid", 20))(t)

	// One goes, one comes, one is spelled otherwise, and another order.
	ok(t, p.SetFuncs("tb_args8", "__x64_sys_getpid", "tb_work"))
	must(tb.Work(1, 5))(t)
	must(tb.Call("__x64_sys_getpid", 7))(t)
	must(tb.Args8(3))(t)
	must(tb.Recurse(1, 1))(t)
	want := []kmod.Stat{{Symbol: "tb_args8", Invocations: 3}, {Symbol: "__x64_sys_getpid", Invocations: 27}, {Symbol: "tb_work", Invocations: 15}}
	got := must(p.Stats())(t)
	for i := range got {
		got[i].AverageNs = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after a change (-want +got)\n%s", diff)
	}
	if traced := readFile(t, "/sys/kernel/tracing/enabled_functions"); strings.Contains(traced, "tb_recurse") || !strings.Contains(traced, "tb_work ") {
		t.Errorf("tb_recurse is still hooked, or tb_work is not:\n%s", traced)
	}

	// It can come back, and starts from 0.
	ok(t, p.SetFuncs("tb_recurse", "tb_work"))
	must(tb.Recurse(2, 2))(t)
	if diff := cmp.Diff(map[string]uint64{"tb_recurse": 6, "tb_work": 15}, invocations(t, p)); diff != "" {
		t.Errorf("after another (-want +got)\n%s", diff)
	}
	// One that has come back, and one that never left.
	wantBackend(t, p)
}

// badChange fails to set other functions, after which all is as it was.
func badChange(t *T) {
	tb := loadTestbed(t)
	p := load(t, []string{"tb_work", "sys_getpid"}, testbedArgs)
	must(tb.Work(1, 10))(t)
	param := readFile(t, "/sys/module/profiler/parameters/funcs")
	before := takeFootprint(t)
	log := openLog(t)
	for _, c := range []struct {
		funcs string
		errno unix.Errno
		named []string
	}{
		{"tb_work,no_such_function", unix.ENOENT, []string{"'no_such_function'"}},
		{"sys_times,tb_recurse,get_kprobe", unix.EOPNOTSUPP, []string{"'get_kprobe'"}},
		{"", unix.EINVAL, []string{"name 1 of 1 is empty"}},
		{"sys_times,,sys_getpid", unix.EINVAL, []string{"name 2 of 3 is empty"}},
		{"sys_times,sys_times", unix.EINVAL, []string{"'sys_times'", "twice"}},
		{"tb_work,sys_getpid,__x64_sys_getpid", unix.EINVAL, []string{"one function"}},
	} {
		if err := p.SetFuncs(c.funcs); !errors.Is(err, c.errno) {
			t.Errorf("%q: %v, want %v", c.funcs, err, c.errno)
		}
		wantOneLine(t, c.funcs, log.lines(t), c.named)
		wantFootprint(t, c.funcs, before)
	}
	if err := p.SetArgs("tb_work"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("bad args: %v", err)
	}
	must(tb.Work(1, 1))(t)
	if diff := cmp.Diff(map[string]uint64{"tb_work": 11, "sys_getpid": 0}, invocations(t, p)); diff != "" {
		t.Errorf("invocations (-want +got)\n%s", diff)
	}
	if now := readFile(t, "/sys/module/profiler/parameters/funcs"); now != param {
		t.Errorf("the parameter says %q, want %q", now, param)
	}
}

// changeUnderSleepers takes functions off that tasks sleep in.
func changeUnderSleepers(t *T) {
	tb := [3]*kmod.Testbed{loadTestbed(t), session(t), session(t)}
	for _, backend := range backends(t, direct, rethook, kretprobe) {
		changeAsleep(t, tb, backend)
		ok(t, remove(kmod.ProfilerModule))
	}
}

func changeAsleep(t *T, tb [3]*kmod.Testbed, backend string) {
	p := load(t, []string{"tb_sleep", "tb_work"}, testbedArgs, kmod.Param{Name: "backend", Value: backend})
	sleepers := []*sleeper{}
	for _, s := range tb[:2] {
		sleepers = append(sleepers, asleep(func() error { _, err := s.Sleep(500_000, 1); return err }))
	}
	waitFor(t, "both to sleep", func() bool { return statOf(t, p, "tb_sleep").Invocations == 2 })
	ok(t, p.SetFuncs("tb_work"))
	must(tb[2].Work(1, 4))(t)
	for _, s := range sleepers {
		ok(t, <-s.done)
	}
	ok(t, p.SetFuncs("tb_work", "tb_sleep"))
	must(tb[0].Sleep(10, 3))(t)
	if diff := cmp.Diff(map[string]uint64{"tb_work": 4, "tb_sleep": 3}, invocations(t, p)); diff != "" {
		t.Errorf("%s: invocations (-want +got)\n%s", backend, diff)
	}
}

// durations is about what is there with hist, on all backends.
func durations(t *T) {
	tb := loadTestbed(t)
	for _, backend := range backends(t, direct, rethook, kretprobe) {
		p := load(t, []string{"tb_work", "tb_work_even"}, testbedArgs, hist, kmod.Param{Name: "backend", Value: backend})
		// Of 5, 203, 2003 and 20003 instructions; one tick of the clock each.
		for _, n := range []uint64{1, 100, 1000, 10000} {
			must(tb.Work(n, 10))(t)
		}
		must(tb.WorkEven(32, 7))(t)
		wantDurations(t, backend, p)
		wantHistogram(t, backend, p)

		ok(t, p.Reset())
		must(tb.Work(100, 3))(t)
		l := must(p.Latency())(t)
		if s := statOf(t, p, "tb_work"); s.Invocations != 3 || near(s.AverageNs, 203) != nil || near(l[0].MinNs, 203) != nil {
			t.Errorf("%s: after a reset %+v, %+v", backend, s, l[0])
		}
		ok(t, remove(kmod.ProfilerModule))
	}
	if _, err := os.Stat(kmod.ProfilerDir + "/histogram"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("without the module: %v", err)
	}
	p := load(t, []string{"tb_work"}, testbedArgs)
	if _, err := p.Histogram(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("without hist: %v", err)
	}
	log := openLog(t)
	if err := os.WriteFile(kmod.ProfilerDir+"/reset", []byte("now\n"), 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("reset now: %v", err)
	}
	wantOneLine(t, "reset now", log.lines(t), []string{"reset:", "write 1"})
}

// near fails if a duration is off by more than an instruction, or than what a
// timer interrupt in one of the calls may add to the shortest of them: nothing.
func near(got, want uint64) error {
	if got+1 < want || got > want+1 {
		return fmt.Errorf("%d ns, want %d", got, want)
	}
	return nil
}

func wantDurations(t *T, backend string, p *kmod.Profiler) {
	l := must(p.Latency())(t)
	if len(l) != 2 {
		t.Fatalf("%s: %d lines of latency", backend, len(l))
	}
	if err := errors.Join(near(l[0].MinNs, 5), near(l[1].MinNs, 68)); err != nil {
		t.Errorf("%s: the shortest: %v", backend, err)
	}
	// The longest may have met an interrupt.
	if l[0].MaxNs < 20002 || l[0].MaxNs > 20003+20000 {
		t.Errorf("%s: the longest takes %d ns, want 20003 or a little more", backend, l[0].MaxNs)
	}
	const total = 10 * (5 + 203 + 2003 + 20003)
	if l[0].TotalNs < total-40 || l[0].TotalNs > total+40000 {
		t.Errorf("%s: together %d ns, want %d or a little more", backend, l[0].TotalNs, total)
	}
}

// wantHistogram allows that an interrupt has moved a few calls up.
func wantHistogram(t *T, backend string, p *kmod.Profiler) {
	got := map[string]uint64{}
	var all uint64
	for _, b := range must(p.Histogram())(t) {
		got[fmt.Sprintf("%s %d-%d", b.Symbol, b.FromNs, b.ToNs)] = b.Calls
		all += b.Calls
	}
	for name, calls := range map[string]uint64{
		"tb_work 4-7": 10, "tb_work 128-255": 10, "tb_work 1024-2047": 10, "tb_work 16384-32767": 10, "tb_work_even 64-127": 7,
	} {
		if got[name] > calls || got[name] < calls-2 {
			t.Errorf("%s: %s has %d calls, want %d; all: %v", backend, name, got[name], calls, got)
		}
	}
	if all != 47 {
		t.Errorf("%s: %d calls in all, want 47: %v", backend, all, got)
	}
}

// calibration holds each kind of probe on each clock against functions of known
// length, which run without interrupts.
func calibration(t *T) {
	tb := loadTestbed(t)
	clocks := map[string][]string{direct: {"tsc"}, rethook: {"tsc", "mono"}, kretprobe: {"tsc", "mono"}}
	for _, backend := range backends(t, direct, rethook, kretprobe) {
		for _, clock := range clocks[backend] {
			calibrated(t, tb, backend, clock)
		}
	}
	p := load(t, []string{"sys_getpid", "tb_work", "tb_args8", inThisKernel("vmalloc")}, testbedArgs)
	var probes []string
	for _, b := range must(p.Calibration())(t) {
		probes = append(probes, b.Probe)
	}
	want := "direct direct-syscall rethook kretprobe"
	if lacking(direct) != "" {
		want = kretprobe
	}
	if got := strings.Join(probes, " "); got != want {
		t.Errorf("calibrated %q, want %q", got, want)
	}
}

func calibrated(t *T, tb *kmod.Testbed, backend, clock string) {
	name := backend + " on " + clock
	how := []kmod.Param{{Name: "backend", Value: backend}, {Name: "clock", Value: clock}, testbedArgs}
	p := load(t, []string{"tb_work", "tb_work_even"}, how...)
	wantAverages(t, name, p, tb, 0)
	biases := must(p.Calibration())(t)
	if len(biases) != 1 || biases[0].Probe != backend || biases[0].Clock != clock || biases[0].Ticks == 0 {
		t.Fatalf("%s: calibration %+v", name, biases)
	}
	ok(t, remove(kmod.ProfilerModule))

	// Without it the bias is in the durations, and is what was subtracted.
	p = load(t, []string{"tb_work", "tb_work_even"}, append(how, kmod.Param{Name: "calibrate", Value: "N"})...)
	wantAverages(t, name+", not calibrated", p, tb, biases[0].Ticks)
	if left := must(p.Calibration())(t); len(left) != 0 {
		t.Errorf("%s, not calibrated: %v", name, left)
	}
	ok(t, remove(kmod.ProfilerModule))
}

// wantAverages has functions of 5, 68, 203 and 20003 instructions called, and
// fails unless they are reported to have taken so long and what is said to be
// added, to an instruction or one in a thousand.
func wantAverages(t *T, name string, p *kmod.Profiler, tb *kmod.Testbed, added uint64) {
	for _, n := range []uint64{1, 100, 10000} {
		ok(t, p.Reset())
		must(tb.Work(n, 500))(t)
		want := 2*n + 3 + added
		if got := statOf(t, p, "tb_work").AverageNs; max(got, want)-min(got, want) > max(1, want/1000) {
			t.Errorf("%s: tb_work(%d) takes %d ns, want %d", name, n, got, want)
		}
	}
	must(tb.WorkEven(32, 500))(t)
	if err := near(statOf(t, p, "tb_work_even").AverageNs, 68+added); err != nil {
		t.Errorf("%s: tb_work_even(32): %v", name, err)
	}
}

// keepsModules has the module of a hooked function stay, which ftrace would
// not forget.
func keepsModules(t *T) {
	for _, backend := range backends(t, direct, rethook) {
		must(kmod.Load(profilertest.TestbedPath))(t)
		p := load(t, []string{"tb_work", "sys_times"}, testbedArgs, kmod.Param{Name: "backend", Value: backend})
		for range 2 {
			ok(t, p.SetFuncs("tb_work", "sys_times"))
			if err := remove(kmod.TestbedModule); !errors.Is(err, unix.EWOULDBLOCK) {
				t.Errorf("unload a module that is profiled by %s: %v, want %v", backend, err, unix.EWOULDBLOCK)
			}
			if backend == rethook {
				// It is forgotten as soon as its functions are.
				ok(t, p.SetFuncs("sys_times"))
				ok(t, remove(kmod.TestbedModule))
				must(kmod.Load(profilertest.TestbedPath))(t)
			}
		}
		ok(t, remove(kmod.ProfilerModule))
		ok(t, remove(kmod.TestbedModule))
	}
}

const nrFuncs = 250

// hundreds loads many functions, in the time of a few: the kernel's symbols are
// read through once, and all are hooked in one go.
func hundreds(t *T) {
	tb := loadTestbed(t)
	names := append(probeable(t, nrFuncs-1), "sys_times")
	// What is known of the arguments decides how they are probed.
	for _, c := range []struct {
		backend string
		words   int
		limit   time.Duration
	}{
		{direct, mostArgs, 1500 * time.Millisecond},
		{rethook, mostArgs + 1, 1500 * time.Millisecond},
		{kretprobe, mostArgs, 2500 * time.Millisecond}, // hooked one by one
	} {
		if c.backend == kretprobe && lacking(direct) == "" || !has(t, c.backend) {
			continue // it is nobody's choice
		}
		args := "sys_times:1"
		for _, name := range names[:nrFuncs-1] {
			args += fmt.Sprintf(",%s:%d", name, c.words)
		}
		loadHundreds(t, tb, names, args, c.backend, c.limit)
	}
}

func loadHundreds(t *T, tb *kmod.Testbed, names []string, args, backend string, limit time.Duration) {
	began := time.Now()
	ok(t, attempt(t, "funcs=sys_times"))
	one := time.Since(began)
	ok(t, remove(kmod.ProfilerModule))

	began = time.Now()
	ok(t, attempt(t, fmt.Sprintf("funcs=%s args=%s", strings.Join(names, ","), args)))
	took := time.Since(began)
	must(tb.Call("__x64_sys_times", 7))(t)
	stats := must(kmod.ParseStats([]byte(shOK(t, "cat stats"))))(t)
	how := must(kmod.ParseBackends([]byte(shOK(t, "cat backends"))))(t)
	if len(stats) != nrFuncs || stats[nrFuncs-1].Invocations != 7 {
		t.Errorf("%d lines, the last is %+v", len(stats), stats[len(stats)-1])
	}
	how = slices.DeleteFunc(how, func(b kmod.Backend) bool { return b.Backend != backend })
	if len(how) < nrFuncs*9/10 {
		t.Errorf("%d of %d are probed by %s", len(how), nrFuncs, backend)
	}
	began = time.Now()
	ok(t, remove(kmod.ProfilerModule))
	t.Logf("%v to load 1, %v to load %d, %d of them by %s; %v to unload", one, took, nrFuncs, len(how), backend, time.Since(began))
	// On the exact clock. To read through the symbols 250 times is 5 s and more.
	if took > one+limit {
		t.Errorf("%v to load 1 function, but %v to load %d", one, took, nrFuncs)
	}
}

// racingChanges sets other functions again and again while all of them run.
func racingChanges(t *T) {
	tb := [4]*kmod.Testbed{loadTestbed(t), session(t), session(t), session(t)}
	p := load(t, []string{"tb_work"}, testbedArgs, hist)
	var working atomic.Bool
	working.Store(true)
	var calls uint64
	at(t,
		until(&working, func() error { _, err := tb[0].Recurse(20, 10); return err }),
		until(&working, func() error { _, err := tb[1].Sleep(1500, 1); return err }),
		until(&working, func() error { _, err := tb[2].Work(10, 100); calls += 100; return err }),
		until(&working, func() error { _, err := tb[3].Timer(100, 20); return err }),
		until(&working, func() error { _, err := p.Histogram(); return err }),
		func() error {
			defer working.Store(false)
			for i := range 6 {
				all := [][]string{{"tb_work", "tb_recurse", "tb_sleep"}, {"tb_timer_fn", "tb_work"}, {"tb_sleep", "tb_work", "sys_read"}}
				if err := p.SetFuncs(all[i%len(all)]...); err != nil {
					return err
				}
			}
			return nil
		})
	// It was never taken off, and so no call is missing.
	if got := invocations(t, p)["tb_work"]; got != calls {
		t.Errorf("tb_work: %d invocations, want %d", got, calls)
	}
}
