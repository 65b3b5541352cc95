// SPDX-License-Identifier: MIT

package peers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// captured is what a kernel has printed, or a tool: see testdata/README.md.
func captured(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGraphDuration(t *testing.T) {
	sum, n := map[string]float64{}, map[string]int{}
	for line := range strings.Lines(captured(t, "function_graph.txt")) {
		if f, ns, ok := graphDuration(strings.TrimSuffix(line, "\n")); ok {
			sum[f] += ns
			n[f]++
		}
	}
	want := map[string]int{"__do_sys_getpid": 3, "tb_recurse": 3, "tb_work": 2}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	for f, least := range map[string]float64{"__do_sys_getpid": 3 * 680, "tb_work": 20_003} {
		if sum[f] < least || sum[f] > 3*least {
			t.Errorf("%s took %v ns in all, want a little more than %v", f, sum[f], least)
		}
	}
	for _, line := range []string{"", "# tracer: function_graph", " 0)               |  tb_recurse [kprof_testbed]() {", " 0)   x us    |  f();", " 0)   1.5 us    f();"} {
		if f, _, ok := graphDuration(line); ok {
			t.Errorf("%q is taken for a call of %s", line, f)
		}
	}
}

// pairUp reads a trace as readPairs does.
func pairUp(t *testing.T, text string, functions int, which func(string) (int, bool)) []Reading {
	t.Helper()
	p := newPairs(functions)
	for line := range strings.Lines(text) {
		if err := p.add(strings.TrimSuffix(line, "\n"), which); err != nil {
			t.Fatal(err)
		}
	}
	return p.readings
}

func TestPairsOfProbes(t *testing.T) {
	got := pairUp(t, captured(t, "kprobe_events.txt"), 2, probeOf)
	want := []Reading{{Calls: 3, Timed: 3}, {Calls: 3, Timed: 3}}
	for i := range got {
		if got[i].Average() < 700 || got[i].Average() > 6000 {
			t.Errorf("function %d takes %v ticks on the average", i, got[i].Average())
		}
		got[i].TotalNs = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
}

func TestPairsOfSyscalls(t *testing.T) {
	got := pairUp(t, captured(t, "syscalls.txt"), 1, syscallOf([]Function{FunctionOf("sys_getpid")}))
	if got[0].Calls != 3 || got[0].Timed != 3 || got[0].Average() < 700 || got[0].Average() > 900 {
		t.Errorf("readings are %+v", got)
	}
}

// A call of a task ends the innermost that it has begun, and no other task's. What has
// no beginning is not timed.
func TestPairs(t *testing.T) {
	const trace = `# tracer: nop
CPU:0 [LOST 7 EVENTS]
 a b-1       [000] ..... 50: r0: (f <- g)
 a b-1       [000] ..... 100: e0: (f)
 a b-1       [000] ..... 110: e0: (f)
 c-2         [000] ..... 120: e0: (f)
 a b-1       [000] ..... 140: r0: (f <- g)
 a b-1       [000] ..... 200: r0: (f <- g)
 c-2         [001] ..... 1120: r0: (f <- g)
 c-2         [001] ..... 1121: sched_switch: x
`
	got := pairUp(t, trace, 1, probeOf)
	if want := []Reading{{Calls: 3, Timed: 3, TotalNs: 30 + 100 + 1000}}; !cmp.Equal(want, got) {
		t.Errorf("readings are %+v, want %+v", got, want)
	}
	for _, line := range []string{"nonsense", " a-1 [000] ..... 1.5: e0: (f)", " a-1 [000] .....: e0"} {
		if _, _, err := parseEvent(line); err == nil {
			t.Errorf("%q is taken for an event", line)
		}
	}
}

func TestStamps(t *testing.T) {
	for text, want := range map[string]uint64{"6179123": 6179123, "12.000345": 12_000_345_000} {
		if got, err := parseStamp(text); got != want || err != nil {
			t.Errorf("%s is %d, %v", text, got, err)
		}
	}
}

func TestBufferStats(t *testing.T) {
	got, err := parseBufferStats(captured(t, "buffer-stats.txt"))
	if err != nil || got.entries == 0 || got.lost == 0 {
		t.Errorf("stats are %+v, %v", got, err)
	}
	for _, text := range []string{"", "entries: 1\noverrun: x\ndropped events: 0\n", "entries: 1\n"} {
		if _, err := parseBufferStats(text); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

func TestHist(t *testing.T) {
	counts, err := parseHist(captured(t, "hist.txt"), "")
	if err != nil || counts.Calls != 5 || counts.Timed != 0 {
		t.Errorf("counts are %+v, %v", counts, err)
	}
	times, err := parseHist(captured(t, "onmatch.txt"), "d")
	if err != nil || times.Calls != 5 || times.Timed != 5 || times.Average() < 1500 || times.Average() > 2500 {
		t.Errorf("times are %+v, %v", times, err)
	}
	broken := strings.Replace(captured(t, "hist.txt"), "Hits: 5", "Hits: 6", 1)
	for _, text := range []string{"", broken} {
		if _, err := parseHist(text, ""); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

func TestZoneinfo(t *testing.T) {
	bytes, err := parseZoneinfo(captured(t, "zoneinfo.txt"))
	const most = 512 << 20
	if err != nil || bytes <= 0 || bytes >= most {
		t.Errorf("the kernel has %d bytes, %v", bytes, err)
	}
	if _, err := parseZoneinfo("Node 0, zone DMA\n  managed 10\n"); err == nil {
		t.Error("numbers that are missing are no error")
	}
}

func TestProfile(t *testing.T) {
	const stat = `  Function                               Hit    Time            Avg             s^2
  --------                               ---    ----            ---             ---
  __do_sys_getpid                       2000    1482.500 us     0.741 us        0.000 us
`
	if calls, ns := profileOf(stat, "__do_sys_getpid"); calls != 2000 || ns != 1_482_500 {
		t.Errorf("%d calls take %v", calls, ns)
	}
	if calls, _ := profileOf(stat, "getpid"); calls != 0 {
		t.Errorf("%d calls of another function", calls)
	}
}
