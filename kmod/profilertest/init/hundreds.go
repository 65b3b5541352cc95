// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kprof-bench/kmod"
)

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
