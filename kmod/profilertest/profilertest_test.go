// SPDX-License-Identifier: MIT

package profilertest_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

var (
	cycles = flag.Int("cycles", 2, "how often TestRaces loads and unloads the module")
	pairs  = flag.Int("pairs", 60_000, "how many blocks come and go in TestRaces")
	only   = flag.String("series", "", "the only series of Linux to boot, in tests that are about all")
	all    = flag.Bool("all", false, "do on each kernel what is done on some of them otherwise")
	some   = flag.String("groups", "", "the only groups of checks to do, separated by commas")
)

// TestKernels has the module probe functions as it chooses to. What takes long
// and differs little is done on one kernel each or two, unless all of it is asked
// for.
func TestKernels(t *testing.T) {
	for series, more := range map[string][]string{
		"5.10":             nil,
		kmod.DefaultSeries: {"changes"},
		kmod.NewestSeries:  {"shared"},
		"7.3":              {"sleepers"},
	} {
		if *all {
			more = []string{"changes", "sleepers", "shared"}
		}
		j := job(slices.Concat([]string{"blocks", "parameters", "calls"}, more, []string{"ranges"})...)
		on(t, series, j, nil)
	}
}

// TestBackends is about the ways to probe that the module does not choose by
// itself on newer kernels. Linux 5.10 has but one.
func TestBackends(t *testing.T) {
	for _, one := range []struct {
		backend, series string
		groups          []string
	}{
		// Functions with many arguments have shown it beside other tracers.
		{"rethook", kmod.NewestSeries, []string{"calls", "sleepers"}},
		{"kretprobe", kmod.DefaultSeries, []string{"calls", "sleepers"}},
	} {
		if *all {
			one.groups = append(one.groups, "shared")
		}
		j := job(one.groups...)
		j.Backend = one.backend
		t.Run(one.backend, func(t *testing.T) { run(t, one.series, j, nil) })
	}
}

// TestThunks is about kernels in which a return is a jump: to code that some
// processors of AMD's want, and to code that counts calls and returns, which is
// for some of Intel's.
func TestThunks(t *testing.T) {
	j := job("returns")
	t.Run("untrained", func(t *testing.T) {
		run(t, kmod.DefaultSeries, j, func(c *guest.Config) { c.CPU = "EPYC" })
	})
	t.Run("stuffed", func(t *testing.T) {
		run(t, kmod.NewestSeries, j, func(c *guest.Config) {
			c.CPU = "Skylake-Server"
			c.Cmdline = append(c.Cmdline, "retbleed=stuff")
		})
	})
}

// TestWithoutSweep shows that the sleepers' checks can fail: without the sweep
// they return into what has taken the place of the module.
func TestWithoutSweep(t *testing.T) {
	t.Parallel()
	cfg := config(t, kmod.DefaultSeries, job("some sleepers"), profiler(t, replaced(t, "krp_direct.c", "		krp_sweep(funcs, n, &krp_nobody);\n", "")))
	rep := guesttest.Boot(t, cfg)
	if rep.Ending != guest.KernelOops || !strings.Contains(rep.Console, "RIP: ") || !strings.Contains(rep.Console, "poison") {
		t.Errorf("%v: %s\nconsole:\n%s", rep.Ending, rep.Detail, rep.Console)
	}
}

// TestWithoutRethook is about a kernel that has no rethook by the names that the
// module looks for.
func TestWithoutRethook(t *testing.T) {
	run(t, kmod.DefaultSeries, job("without rethook"), profiler(t, replaced(t, "rethooks.c", `"rethook_hook"`, `"no_rethook_hook"`)))
}

// profiler puts a module that is made of other sources in the place of
// profiler.ko.
func profiler(t *testing.T, source fs.FS) func(*guest.Config) {
	return func(c *guest.Config) {
		i := slices.IndexFunc(c.Files, func(f guest.File) bool { return f.Path == profilertest.ProfilerPath })
		c.Files[i].Source = guesttest.ModuleFor(t, guesttest.Kernel(t), kmod.ProfilerModule, source).Path
	}
}

// replaced returns profiler.ko's sources with a piece of text replaced.
func replaced(t *testing.T, file, text, by string) fs.FS {
	t.Helper()
	source := kmod.ProfilerSource()
	all := fstest.MapFS{}
	err := fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(source, path)
		all[path] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(all[file].Data, []byte(text)); n != 1 {
		t.Fatalf("%s has %d times, not once: %s", file, n, text)
	}
	all[file].Data = bytes.Replace(all[file].Data, []byte(text), []byte(by), 1)
	return all
}

// TestManySleepers has 10,000 threads, some 300 MiB. The kernel allows only as
// many as have their stacks in an eighth of the memory, so it takes more.
func TestManySleepers(t *testing.T) {
	j := job("many sleepers")
	for _, one := range []struct{ backend, series string }{
		{"kretprobe", kmod.DefaultSeries}, {"", kmod.NewestSeries},
	} {
		if one.backend != "" && !*all {
			continue // fewer of them are tried in sleepers
		}
		j.Backend = one.backend
		t.Run(cmp.Or(one.backend, "choice")+"/"+one.series, func(t *testing.T) {
			run(t, one.series, j, func(c *guest.Config) { c.MemoryMiB = 1536 })
		})
	}
}

// TestRealTime is about a kernel with PREEMPT_RT, where tasks are preempted in
// functions and locks that are only held for a moment elsewhere.
func TestRealTime(t *testing.T) {
	run(t, kmod.RealTimeSeries, job("sleepers", "real time"), nil)
}

func TestManyBlocks(t *testing.T) {
	run(t, guesttest.Series, job("many blocks"), func(c *guest.Config) { c.MemoryMiB = 1536 })
}

// TestRaces has two processors. Nothing in it depends on time. A cycle takes a
// second or two, and says nothing meanwhile.
func TestRaces(t *testing.T) {
	j := job("two processors", "cycles")
	j.Pairs, j.Cycles = *pairs, *cycles
	edit := func(c *guest.Config) {
		c.Clock = guest.TCG
		c.SilenceLimit = 5*time.Minute + time.Duration(*cycles)*10*time.Second
	}
	for _, series := range guesttest.AllSeries {
		if *all || series == "7.3" {
			on(t, series, j, edit)
		}
	}
	j.Backend = "rethook"
	t.Run(j.Backend, func(t *testing.T) { run(t, kmod.NewestSeries, j, edit) })
}

func job(groups ...string) profilertest.Job { return profilertest.Job{Groups: groups} }

// on runs a subtest on a kernel, unless only others are asked for.
func on(t *testing.T, series string, j profilertest.Job, edit func(*guest.Config)) {
	if *only == "" || *only == series {
		t.Run(series, func(t *testing.T) { run(t, series, j, edit) })
	}
}

// run boots a guest that does groups of checks, each of which is a subtest.
func run(t *testing.T, series string, j profilertest.Job, edit func(*guest.Config)) {
	if *some != "" {
		j.Groups = slices.DeleteFunc(slices.Clone(j.Groups), func(g string) bool {
			return !slices.Contains(strings.Split(*some, ","), g)
		})
	}
	if len(j.Groups) == 0 {
		t.Skip("none of the groups is asked for")
	}
	t.Parallel()
	rep := guesttest.Boot(t, config(t, series, j, edit))
	checks := 0
	for _, r := range rep.Records {
		if r.Kind == profilertest.OutcomeKind {
			checks++
			outcome(t, series, r)
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

func outcome(t *testing.T, series string, r guest.Record) {
	var o profilertest.Outcome
	if err := r.Decode(&o); err != nil {
		t.Fatal(err)
	}
	t.Run(o.Name, func(t *testing.T) {
		for _, f := range o.Failures {
			t.Error(f)
		}
		if diff := gocmp.Diff(notSupported[series][o.Name], o.NotSupported); diff != "" {
			t.Errorf("not supported (-known +said)\n%s", diff)
		}
		for _, n := range o.Notes {
			t.Log(n)
		}
		t.Logf("%v of guest time, busy for %v of them", time.Duration(o.GuestNs).Round(time.Microsecond), time.Duration(o.BusyNs))
	})
}

func config(t *testing.T, series string, j profilertest.Job, edit func(*guest.Config)) guest.Config {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	k := guesttest.KernelOf(t, series)
	cfg := guest.Config{
		Vmlinux: k.Vmlinux,
		Init:    guesttest.Build(t, "kprof-bench/kmod/profilertest/init"),
		Job:     text,

		Snapshots: guesttest.Snapshots(t),
		Cmdline: []string{
			// Else the module's slab cache is merged with others, and what
			// is left in it cannot be seen.
			"slab_nomerge",
			// Init's environment: Go must not call getpid() on its own.
			"GODEBUG=asyncpreemptoff=1",
		},
		Files: []guest.File{
			{Path: "/bin/busybox", Mode: 0o755, Source: guesttest.Busybox(t)},
			{Path: profilertest.ProfilerPath, Source: guesttest.ModuleFor(t, k, kmod.ProfilerModule, kmod.ProfilerSource()).Path},
			{Path: profilertest.TestbedPath, Source: guesttest.ModuleFor(t, k, kmod.TestbedModule, kmod.TestbedSource()).Path},
			{Path: profilertest.PoisonPath, Source: guesttest.ModuleFor(t, k, profilertest.PoisonModule, profilertest.PoisonSource()).Path},
		},
	}
	if edit != nil {
		edit(&cfg)
	}
	return cfg
}
