// SPDX-License-Identifier: MIT

package main

import (
	"time"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// leftFunctions has tasks call functions that are no longer profiled in the
// moment in which the module gives them back, when ftrace calls from them once
// more. The first sleeps end one after the other, so that some tasks begin the
// second in that moment, whenever it is exactly.
func leftFunctions(t *T) {
	const (
		n    = 1000
		long = 1500 * time.Millisecond
	)
	tb := loadTestbed(t)
	before := takeFootprint(t)
	for _, early := range []time.Duration{100, 70, 40} {
		p := loadFor(t, n, "tb_work")
		ok(t, p.SetFuncs("tb_work"))
		began := time.Now()
		s := must(tb.Sleepers(n, long, 2))(t)
		text := textOf(t, kmod.ProfilerModule, profilertest.ProfilerPath)
		time.Sleep(time.Until(began.Add(long - early*time.Millisecond)))
		unload(t)
		antidote := poison(t, text)
		wantWell(t, s, n)
		antidote()
	}
	wantFootprint(t, "after all have returned", before)
}
