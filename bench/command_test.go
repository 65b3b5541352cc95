// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kprof-bench/results"
	"kprof-bench/workloads"

	"github.com/google/go-cmp/cmp"
)

// ofCommand is what was counted of a function by perf events and by the module,
// which was asked before and after.
func ofCommand(t *testing.T, events uint64, before, after string) commanded {
	t.Helper()
	c := commanded{probed: probed{fn: "vfs_fsync", backend: Direct, issued: events}, events: true}
	files := func(text string) [][]byte { return [][]byte{[]byte(text), []byte("vfs_fsync:0\n")} }
	if err := c.take(&workloads.Result{Before: files(before), After: files(after)}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChecksOfACommand(t *testing.T) {
	const calls, missed, average = "vfs_fsync by direct: invocations", "vfs_fsync by direct: missed", "vfs_fsync by direct: average"
	shown := outcome{average, NotJudged, []string{"reported 40.0", "nothing but profiler.ko"}}
	for name, test := range map[string]struct {
		after  string
		change func(*commanded)
		clock  Clock
		want   []outcome
	}{
		"all is right":   {"vfs_fsync:40:12\n", nil, ICount, []outcome{{calls, Held, []string{"count 10 calls", "reports 10"}}, shown}},
		"a call too few": {"vfs_fsync:40:11\n", nil, ICount, []outcome{{calls, Failed, []string{"count 10 calls", "reports 9"}}, shown}},
		"one too many":   {"vfs_fsync:40:13\n", nil, TCG, []outcome{{calls, Failed, nil}, shown}},
		"in use":         {"vfs_fsync:40:13\n", nil, Native, []outcome{{calls, Failed, []string{"other processes"}}, shown}},
		"alone":          {"vfs_fsync:40:12\n", nil, Native, []outcome{{calls, Held, nil}, shown}},
		"no perf events": {"vfs_fsync:40:12\n", func(c *commanded) { c.events, c.issued = false, 0 }, ICount, []outcome{{calls, NotJudged, []string{"nothing else counts"}}, shown}},
		"not called":     {"vfs_fsync:40:2\n", func(c *commanded) { c.issued = 0 }, ICount, []outcome{{calls, Blunt, []string{"does not call it"}}}},
		"one is missed":  {"vfs_fsync:40:12\n", func(c *commanded) { c.missed = 1 }, ICount, []outcome{{calls, Held, nil}, {missed, Failed, nil}, shown}},
	} {
		t.Run(name, func(t *testing.T) {
			c := ofCommand(t, 10, "vfs_fsync:40:2\n", test.after)
			if test.change != nil {
				test.change(&c)
			}
			expect(t, c.checks(test.clock), test.want)
		})
	}
}

func TestRowOfACommand(t *testing.T) {
	c := ofCommand(t, 10, "vfs_fsync:0:0\n", "vfs_fsync:40:10\n")
	c.catches = c.sense(ICount)
	want := results.Row{
		Name:   "Command",
		Params: []results.Param{{Key: "func", Value: "vfs_fsync"}, {Key: "backend", Value: "direct"}},
		Iters:  10,
		Values: []results.Value{
			{V: 10, Unit: "calls-counted"}, {V: 10, Unit: "calls-reported"}, {V: 0, Unit: "missed"}, {V: 40, Unit: "reported-insn/op"},
			{V: 10, Unit: "catches-lost-1-in"}, {V: 10, Unit: "catches-untimed-1-in"},
		},
	}
	if diff := cmp.Diff(want, c.row()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.events = false
	if v, ok := c.row().Value("calls-counted"); ok {
		t.Errorf("without perf events %v calls are counted", v)
	}
}

func TestCommandTargets(t *testing.T) {
	got, err := commandTargets([]string{"vfs_fsync", "do_exit"})
	if err != nil || len(got) != 2 || got[1].fn != "do_exit" {
		t.Errorf("%+v, %v", got, err)
	}
	for says, funcs := range map[string][]string{
		"no functions": nil, "given twice": {"a", "b", "a"}, "name 2 of 2 is empty": {"a", ""}, "name the functions": {AllFuncs},
	} {
		if _, err := commandTargets(funcs); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want one that says %q", funcs, err, says)
		}
	}
}

// A command is run once, with the environment and without input and blocked
// signals, and how it ends is told.
func TestShell(t *testing.T) {
	t.Setenv("KPROF_BENCH_SHELL", "from the environment")

	for text, want := range map[string]string{
		`true`: "",
		`test "$KPROF_BENCH_SHELL" = "from the environment"`: "",
		`read x; test $? = 1 -a -z "$x"`:                     "",
		`grep -q "^SigBlk:.0*$" /proc/self/status`:           "",
		`sleep 0 & wait; sh -c true`:                         "",
		`false`:                                              `"false" ended with exit status 1 and has written nothing`,
		`echo once; echo >&2 more; exit 3`:                   `"echo once; echo >&2 more; exit 3" ended with exit status 3; its output ends with:` + "\nonce\nmore",
		`kill -9 $$`:                                         `"kill -9 $$" was ended by signal 9 and has written nothing`,
	} {
		if err := runShell(t, text); fmt.Sprint(err) != want && (want != "" || err != nil) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if err := runShell(t, "no-such-command-at-all"); err == nil || !strings.Contains(err.Error(), "exit status 127") || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a command that is not there: %v", err)
	}
	err := runShell(t, "seq 10000; exit 1")
	if err == nil || !strings.HasSuffix(err.Error(), "\n9999\n10000") || len(err.Error()) > 2*outputEnd {
		t.Errorf("a long output: %v", err)
	}
}

func runShell(t *testing.T, text string) error {
	t.Helper()
	sh, err := newShell(text)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sh.close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := workloads.Run(t.Context(), sh.program, workloads.Options{Calls: 1, Batch: 1}); err != nil {
		t.Fatal(err)
	}
	return sh.failure()
}

// With a command nothing else is done.
func TestOptionsOfACommand(t *testing.T) {
	good := Options{Only: []Experiment{Command}, Funcs: []string{"vfs_fsync"}, Cmd: "sync", Rate: "max"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*Options){
		"is empty":     func(o *Options) { o.Cmd = " " },
		"one line":     func(o *Options) { o.Cmd = "sync\nsync" },
		"no functions": func(o *Options) { o.Funcs = nil },
	} {
		o := good
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
	if slices.Contains(DefaultExperiments, Command) {
		t.Error("it is done without a command")
	}
}
