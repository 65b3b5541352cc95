// SPDX-License-Identifier: MIT

package profilertest_test

import (
	"encoding/json"
	"testing"
	"time"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// One boot each. A group that needs no more than the default memory and the
// exact clock has them.

func TestParameters(t *testing.T) { run(t, "parameters", nil) }

func TestCalls(t *testing.T) { run(t, "calls", nil) }

func TestBlocks(t *testing.T) { run(t, "blocks", nil) }

func TestRanges(t *testing.T) { run(t, "ranges", nil) }

func TestManyBlocks(t *testing.T) {
	run(t, "many blocks", func(c *guest.Config) { c.MemoryMiB = 1536 })
}

// TestTwoProcessors is about races. Nothing in it depends on time.
func TestTwoProcessors(t *testing.T) {
	run(t, "two processors", func(c *guest.Config) { c.Clock = guest.TCG })
}

// run boots a guest that does a group of checks, each of which is a subtest.
func run(t *testing.T, group string, edit func(*guest.Config)) {
	rep := guesttest.Boot(t, config(t, group, edit))
	checks := 0
	for _, r := range rep.Records {
		if r.Kind == profilertest.OutcomeKind {
			checks++
			t.Run(outcome(t, r))
		}
	}
	t.Logf("%d checks; %.1f s of processor time, %.1f s of them to boot", checks, rep.CPU.Seconds(), rep.BootWall.Seconds())
	if rep.Ending != guest.Done {
		t.Errorf("%v: %s\nconsole:\n%s", rep.Ending, rep.Detail, rep.Console)
	}
	if checks == 0 {
		t.Error("no check was done")
	}
}

func outcome(t *testing.T, r guest.Record) (string, func(*testing.T)) {
	t.Helper()
	var o profilertest.Outcome
	if err := r.Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o.Name, func(t *testing.T) {
		for _, f := range o.Failures {
			t.Error(f)
		}
		for _, n := range o.Notes {
			t.Log(n)
		}
		t.Logf("%v of guest time", time.Duration(o.GuestNs).Round(time.Microsecond))
	}
}

func config(t *testing.T, group string, edit func(*guest.Config)) guest.Config {
	t.Helper()
	job, err := json.Marshal(profilertest.Job{Group: group})
	if err != nil {
		t.Fatal(err)
	}
	cfg := guest.Config{
		Vmlinux: guesttest.Kernel(t).Vmlinux,
		Init:    guesttest.Build(t, "kprof-bench/kmod/profilertest/init"),
		Job:     job,
		Cmdline: []string{
			// Else the module's slab cache is merged with others, and what
			// is left in it cannot be seen.
			"slab_nomerge",
			// Init's environment: Go must not call getpid() on its own.
			"GODEBUG=asyncpreemptoff=1",
		},
		Files: []guest.File{
			{Path: "/bin/busybox", Mode: 0o755, Source: guesttest.Busybox(t)},
			{Path: profilertest.ProfilerPath, Source: guesttest.Module(t, kmod.ProfilerModule, kmod.ProfilerSource()).Path},
			{Path: profilertest.TestbedPath, Source: guesttest.Module(t, kmod.TestbedModule, kmod.TestbedSource()).Path},
		},
	}
	if edit != nil {
		edit(&cfg)
	}
	return cfg
}
