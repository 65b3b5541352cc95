// SPDX-License-Identifier: MIT

package testbedtest_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
	"kprof-bench/kmod"
	"kprof-bench/kmod/testbedtest"
)

func TestMain(m *testing.M) { os.Exit(guesttest.Main(m)) }

// series is for those who look for what a kernel breaks.
var series = flag.String("series", guesttest.Series, "the series of Linux to boot, in tests that are about one")

// runChecks boots a guest that makes the checks, each of which becomes a
// subtest. The guest must come to its end, and its kernel must have been well
// all the time.
func runChecks(t *testing.T, clock guest.Clock, checks ...string) {
	t.Helper()
	runChecksOn(t, *series, clock, checks...)
}

// runChecksOn is [runChecks] for a kernel of another series.
func runChecksOn(t *testing.T, series string, clock guest.Clock, checks ...string) {
	t.Helper()
	k := guesttest.KernelOf(t, series)
	job, err := json.Marshal(testbedtest.Job{Checks: checks})
	if err != nil {
		t.Fatal(err)
	}
	rep := guesttest.Boot(t, guest.Config{
		Vmlinux: k.Vmlinux,
		Init:    guesttest.Build(t, "kprof-bench/kmod/testbedtest/init"),
		Job:     job,
		Clock:   clock,

		Snapshots: guesttest.Snapshots(t),
		// A process that waits for another that is gone would never end.
		SilenceLimit: 2 * time.Minute,
		Files: []guest.File{
			{Path: testbedtest.TestbedPath, Source: guesttest.ModuleFor(t, k, kmod.TestbedModule, kmod.TestbedSource()).Path},
			{Path: testbedtest.ProfilerPath, Source: guesttest.ModuleFor(t, k, kmod.ProfilerModule, kmod.ProfilerSource()).Path},
		},
	})
	t.Logf("%.1f s, %.1f s of CPU", rep.Wall.Seconds(), rep.CPU.Seconds())
	report(t, rep, checks)
}

func report(t *testing.T, rep *guest.Report, checks []string) {
	t.Helper()
	var made []string
	for _, r := range rep.Records {
		var c testbedtest.Check
		if r.Kind != testbedtest.CheckKind {
			t.Errorf("record of kind %q", r.Kind)
			continue
		}
		if err := r.Decode(&c); err != nil {
			t.Fatal(err)
		}
		made = append(made, c.Name)
		t.Run(c.Name, func(t *testing.T) {
			for _, note := range c.Notes {
				t.Log(note)
			}
			if c.Problems != "" {
				t.Error(c.Problems)
			}
		})
	}
	if diff := cmp.Diff(checks, made); diff != "" {
		t.Errorf("checks that were made (-want +got):\n%s", diff)
	}
	if rep.Ending != guest.Done {
		t.Errorf("%v: %s\n%s", rep.Ending, rep.Detail, rep.Console)
	}
}
