// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"strings"
	"sync/atomic"

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
		// The clock is looked at before the kernel.
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
