// SPDX-License-Identifier: MIT

package bench

import (
	"math"
	"slices"
	"strings"
	"testing"

	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"

	"github.com/google/go-cmp/cmp"
)

// sound is what an honest profiler.ko reports of getpid's function: 68
// instructions.
func sound() probed {
	return probed{
		fn: "sys_getpid", backend: "kretprobe", rate: "max",
		base: repeat(306, 300), with: repeat(819, 300), truths: repeat(68, 100),
		issued: 150000, reported: 150000, average: 68.2,
		truth: 68,
	}
}

func repeat(v float64, n int) []float64 { return slices.Repeat([]float64{v}, n) }

// outcome is what a check must come to. The words are parts of its detail.
type outcome struct {
	name    string
	verdict Verdict
	words   []string
}

func expect(t *testing.T, got []Check, want []outcome) {
	t.Helper()
	type head struct {
		Name    string
		Verdict Verdict
	}
	var gotHeads, wantHeads []head
	for _, c := range got {
		gotHeads = append(gotHeads, head{c.Name, c.Verdict})
	}
	for _, o := range want {
		wantHeads = append(wantHeads, head{o.name, o.verdict})
	}
	if diff := cmp.Diff(wantHeads, gotHeads); diff != "" {
		t.Fatalf("verdicts (-want +got):\n%s%v", diff, got)
	}
	for i, o := range want {
		for _, word := range o.words {
			if !strings.Contains(got[i].Detail, word) {
				t.Errorf("%s: %q is missing in %q", o.name, word, got[i].Detail)
			}
		}
	}
}

func TestChecksOfAProbedFunction(t *testing.T) {
	const (
		calls   = "sys_getpid by kretprobe: invocations"
		missed  = "sys_getpid by kretprobe: missed"
		average = "sys_getpid by kretprobe: average"
	)
	held := func(name string) outcome { return outcome{name, Held, nil} }
	for name, test := range map[string]struct {
		change func(*probed)
		clock  Clock
		want   []outcome
	}{
		"all is right": {func(*probed) {}, ICount, []outcome{
			{calls, Held, []string{"150000 calls were made", "reports 150000"}},
			{average, Held, []string{"reports 68.2 insn", "takes 68.0 (±1.0)"}},
		}},
		"one call in a thousand is lost": {func(p *probed) { p.reported = 149850 }, ICount, []outcome{
			{calls, Failed, []string{"150000 calls were made", "reports 149850"}}, held(average),
		}},
		"a single call is lost": {func(p *probed) { p.reported = 149999 }, ICount, []outcome{
			{calls, Failed, []string{"reports 149999"}}, held(average),
		}},
		"a call is counted twice": {func(p *probed) { p.reported = 150001 }, ICount, []outcome{
			{calls, Failed, []string{"reports 150001"}}, held(average),
		}},
		"nothing is counted": {func(p *probed) { p.reported, p.average = 0, 0 }, ICount, []outcome{
			{calls, Failed, []string{"reports 0"}},
			{average, Failed, []string{"reports 0.0 insn"}},
		}},
		"losses are admitted": {func(p *probed) { p.missed = 3 }, ICount, []outcome{
			held(calls), {missed, Failed, []string{"3 of 150000 calls"}}, held(average),
		}},
		"10 are added to every duration": {func(p *probed) { p.average += 10 }, ICount, []outcome{
			held(calls), {average, Failed, []string{"reports 78.2 insn", "takes 68.0 (±1.0)"}},
		}},
		"2 are taken from every duration": {func(p *probed) { p.average -= 2 }, ICount, []outcome{
			held(calls), {average, Failed, []string{"reports 66.2 insn"}},
		}},
		"the bias is not subtracted": {func(p *probed) { p.average += 165 }, ICount, []outcome{
			held(calls), {average, Failed, []string{"reports 233.2 insn"}},
		}},
		"the most that is let pass": {func(p *probed) { p.average = 69 }, ICount, []outcome{
			held(calls), held(average),
		}},
		"a trifle more": {func(p *probed) { p.average = 69.01 }, ICount, []outcome{
			held(calls), {average, Failed, nil},
		}},
		"durations are doubled": {func(p *probed) { p.average *= 2 }, ICount, []outcome{
			held(calls), {average, Failed, []string{"reports 136.4 insn"}},
		}},
		// Of so long a function 1 in a hundred is more than an instruction.
		"a long one's durations are 1 % too long": {func(p *probed) {
			p.against(repeat(20000, 100))
			p.average = 20000 * 1.01
		}, ICount, []outcome{
			held(calls), {average, Failed, []string{"20000.0 (±100.0)"}},
		}},
		"the mean counts, not the median": {func(p *probed) {
			p.against(append(repeat(68, 99), 5068, 5068)) // two calls took far longer
			p.average = 118
		}, ICount, []outcome{
			held(calls), held(average),
		}},
		"a tick in one call does not": {func(p *probed) {
			p.against(append(repeat(68, 99), 10068))
			p.average = 168
		}, ICount, []outcome{
			held(calls), {average, Failed, []string{"takes 68.0 (±1.0)"}},
		}},
		"nothing was measured": {func(p *probed) {
			p.base, p.with, p.average = nil, nil, math.NaN()
		}, ICount, []outcome{
			held(calls), {average, Failed, nil},
		}},
		"noisy time is not judged": {func(p *probed) { p.average = 5000 }, TCG, []outcome{
			held(calls), {average, NotJudged, []string{"reported 5000 ns, true 68 ns", "clock tcg"}},
		}},
		"calls are judged where time is not": {func(p *probed) { p.reported = 150001 }, TCG, []outcome{
			{calls, Failed, nil}, {average, NotJudged, nil},
		}},
		"losses are judged where time is not": {func(p *probed) { p.missed = 1 }, KVM, []outcome{
			held(calls), {missed, Failed, nil}, {average, NotJudged, nil},
		}},
		"others may call it too on a machine in use": {func(p *probed) { p.reported = 150007 }, Native, []outcome{
			{calls, NotJudged, []string{"150000 calls were made", "150007"}}, {average, NotJudged, nil},
		}},
		"even there none may be lost": {func(p *probed) { p.reported = 149999 }, Native, []outcome{
			{calls, Failed, nil}, {average, NotJudged, nil},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := sound()
			test.change(&p)
			expect(t, p.checks(test.clock), test.want)
		})
	}
}

// The numbers are worked out by hand: the sample variance of 97, 97, 103, 103
// is (4*3*3)/3 = 12.
func TestSlack(t *testing.T) {
	for name, test := range map[string]struct {
		truths   []float64
		mean     float64
		reported uint64
		want     float64
	}{
		"short and without noise":       {repeat(68, 100), 68, 1000, 1},
		"just as long that a part is 1": {repeat(1000, 100), 1000, 1000, 1},
		"long":                          {repeat(20003, 100), 20000, 1000, 20},
		// 4*sqrt(12*(1/4+1/12)) = 4*sqrt(4)
		"noise": {[]float64{97, 97, 103, 103}, 100, 12, 8},
		// 4*sqrt(12*(1/4+1/2)) = 4*sqrt(9)
		"noise and few calls": {[]float64{97, 97, 103, 103}, 100, 2, 12},
		// 4*sqrt(1200*(1/4+1/12)) = 4*sqrt(400)
		"ten times the noise": {[]float64{70, 70, 130, 130}, 100, 12, 80},
		// Eight of them: 8*900/7 = 7200/7; 4*sqrt(7200/7*(1/8+1/56)) = 4*sqrt(7200/49)
		"ten times the noise, twice the truth timed": {[]float64{70, 70, 130, 130, 70, 70, 130, 130}, 100, 56, 4 * math.Sqrt(7200) / 7},
		// A variance of 0.0012, 100 times less in the deviation than "noise".
		"noise that does not matter": {[]float64{99.97, 99.97, 100.03, 100.03}, 100, 12, 1},
		// A deviation of 2 in 100, but 4*sqrt(40201*(1/200+1/600)) = 65
		"calls that vary": {slices.Repeat([]float64{9800, 10200}, 100), 10000, 600, 300},
		// A deviation of 0.05 in 100, and 4*sqrt(25.1*(1/200+1/600)) = 1.6
		"calls that hardly vary": {slices.Repeat([]float64{9995, 10005}, 100), 10000, 600, 10},
		"no truth":               {nil, 0, 12, 1},
		"nothing reported":       {[]float64{97, 97, 103, 103}, 100, 0, 1},
	} {
		p := probed{n: 1, truths: test.truths, truth: test.mean, reported: test.reported}
		if got := p.slack(); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: slack is %v, want %v", name, got, test.want)
		}
	}
}

func TestSlackOfSystemCalls(t *testing.T) {
	for mean, want := range map[float64]float64{68: 1, 1000: 5, 6479: 32.395} {
		p := probed{truths: repeat(mean, 100), truth: mean, reported: 1000}
		if got := p.slack(); math.Abs(got-want) > 1e-9 {
			t.Errorf("of %v instructions: slack is %v, want %v", mean, got, want)
		}
	}
}

// What only profiler.ko times is not judged, and no truth is shown.
func TestFunctionWithoutTruth(t *testing.T) {
	p := sound()
	p.truths, p.truth, p.n = nil, 0, 0
	checks := p.checks(ICount)
	if last := checks[len(checks)-1]; last.Verdict != NotJudged || checks[0].Verdict != Held {
		t.Errorf("checks are %+v, want invocations that hold and an average that is not judged", checks)
	}
	if _, ok := p.row().Value("true-insn/op"); ok {
		t.Error("the row has a true duration")
	}
}

// A tick in one of few calls is no fault of the profiler's, as far as the calls
// were seen to take longer too.
func TestATickInACall(t *testing.T) {
	with := append(repeat(600, 1999), 600+34_000)
	for average, want := range map[float64]Verdict{340 + 17: Held, 340 + 20: Failed, 340 - 17: Failed} {
		p := probed{fn: "f", backend: Direct, truths: repeat(340, 100), truth: 340, with: with, issued: 2000, reported: 2000, average: average}
		if c := p.checks(ICount)[1]; c.Verdict != want {
			t.Errorf("average %v: %v", average, c)
		}
		p.with = repeat(600, 2000)
		if c := p.checks(ICount)[1]; c.Verdict != Failed {
			t.Errorf("average %v without a tick: %v", average, c)
		}
	}
}

// By hand: calls take 6 instructions more on average than they use to, because of ticks,
// of which a function with 406 of their 1200 has 2.03, or 4.06 at twice its part. A part
// of 0.005 is 2.03 as well, and one tick more in 100,000 calls is 0.5: together 6.59.
func TestManyTicks(t *testing.T) {
	with := append(repeat(1200, 99), 1800)
	for average, want := range map[float64]Verdict{406 + 6.5: Held, 406 + 6.7: Failed, 406 - 2.1: Failed} {
		p := probed{fn: "f", backend: Direct, truths: repeat(406, 100), truth: 406, with: with, issued: 100000, reported: 100000, average: average}
		if c := p.checks(ICount)[1]; c.Verdict != want {
			t.Errorf("average %v: %v", average, c)
		}
	}
}

// Noise widens what is let pass by as much as slack says, and no further.
func TestNoiseWidensTheAverage(t *testing.T) {
	for average, want := range map[float64]Verdict{
		107.9: Held, 108.1: Failed, 92.1: Held, 91.9: Failed,
	} {
		p := probed{
			fn: "f", backend: Direct, base: repeat(100, 3), with: repeat(1000, 3), truths: []float64{97, 97, 103, 103},
			issued: 12, reported: 12, average: average, truth: 100,
		}
		checks := p.checks(ICount)
		if got := checks[1]; got.Name != "f by direct: average" || got.Verdict != want {
			t.Errorf("average %v, want %s: %+v", average, want, got)
		}
		if !strings.Contains(checks[1].Detail, "(±8.0)") {
			t.Errorf("the detail does not say the slack: %s", checks[1].Detail)
		}
	}
}

func TestCheckLength(t *testing.T) {
	for name, test := range map[string]struct {
		base  []float64
		clock Clock
		want  outcome
	}{
		"as long as its code": {repeat(20003, 40), ICount, outcome{"", Held, []string{"20003 instructions", "20003.000 ticks"}}},
		// A timer tick in a batch is no fault of the instrument.
		"one batch is disturbed":   {append(repeat(20003, 40), 90000), ICount, outcome{"", Held, nil}},
		"an instruction too long":  {repeat(20004, 40), ICount, outcome{"", Failed, []string{"20003 instructions", "20004.000 ticks"}}},
		"an instruction too short": {repeat(20002, 40), ICount, outcome{"", Failed, []string{"20002.000 ticks"}}},
		"off by a tick in fifty":   {repeat(20003.02, 40), ICount, outcome{"", Failed, nil}},
		"not measured":             {nil, ICount, outcome{"", Failed, nil}},
		"ticks are time":           {repeat(7100, 40), KVM, outcome{"", NotJudged, []string{"clock kvm"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := probed{fn: "tb_work", n: 10000, truth: 20003, base: test.base}
			test.want.name = "tb_work(10000): length"
			expect(t, []Check{p.checkLength(test.clock)}, []outcome{test.want})
		})
	}
}

func TestProbeRow(t *testing.T) {
	p := sound()
	p.base, p.with = []float64{306, 305, 400, 307, 306.0004}, repeat(819, 3) // the median is 306.0004
	p.average, p.missed = 68.12345, 2
	want := results.Row{
		Name:   "Probe",
		Params: []results.Param{{Key: "func", Value: "sys_getpid"}, {Key: "backend", Value: "kretprobe"}, {Key: "rate", Value: "max"}},
		Iters:  150000,
		Values: []results.Value{
			{V: 306, Unit: "base-insn/op"}, {V: 819, Unit: "probed-insn/op"}, {V: 513, Unit: "overhead-insn/op"},
			{V: 68.123, Unit: "reported-insn/op"}, {V: 68, Unit: "true-insn/op"}, {V: 0.123, Unit: "bias-insn/op"},
			{V: 150000, Unit: "calls-issued"}, {V: 150000, Unit: "calls-reported"}, {V: 2, Unit: "missed"},
		},
	}
	if diff := cmp.Diff(want, p.row()); diff != "" {
		t.Errorf("as fast as can be (-want +got):\n%s", diff)
	}

	p.fn, p.n, p.rate = "tb_work", 1000, "10000-per-s"
	p.pace, p.basePace = pacedAt(9999.12345, 4945, 100, 200), pacedAt(9999.5, 4944, 100)
	want.Params = []results.Param{{Key: "func", Value: "tb_work"}, {Key: "n", Value: "1000"}, {Key: "backend", Value: "kretprobe"}, {Key: "rate", Value: "10000-per-s"}}
	want.Values = append(want.Values, []results.Value{
		{V: 9999.5, Unit: "base-calls/s"}, {V: 9999.123, Unit: "achieved-calls/s"}, {V: 4945, Unit: "latest-start-ns"},
		{V: 100, Unit: "base-p50-latency-insn"}, {V: 100, Unit: "p50-latency-insn"},
		{V: 100, Unit: "base-p90-latency-insn"}, {V: 200, Unit: "p90-latency-insn"},
		{V: 100, Unit: "base-p99-latency-insn"}, {V: 200, Unit: "p99-latency-insn"},
		{V: 100, Unit: "base-p99.9-latency-insn"}, {V: 200, Unit: "p99.9-latency-insn"},
		{V: 100, Unit: "base-max-latency-insn"}, {V: 200, Unit: "max-latency-insn"},
	}...)
	if diff := cmp.Diff(want, p.row()); diff != "" {
		t.Errorf("paced (-want +got):\n%s", diff)
	}
	wantSample := Sample{
		Row:  "Probe/func=tb_work/n=1000/backend=kretprobe/rate=10000-per-s",
		Base: p.base, With: p.with, Truth: p.truths,
	}
	if diff := cmp.Diff(wantSample, p.sample()); diff != "" {
		t.Errorf("sample (-want +got):\n%s", diff)
	}
}

// What is shown as true is what the average is held against: of calls that
// differ the mean, so that the bias is that of the check.
func TestProbeRowShowsTheMean(t *testing.T) {
	p := sound()
	p.against([]float64{60, 60, 60, 100})
	p.average = 71
	for unit, want := range map[string]float64{"true-insn/op": 70, "bias-insn/op": 1} {
		if got, ok := p.row().Value(unit); !ok || got != want {
			t.Errorf("%s is %v, want %v", unit, got, want)
		}
	}
}

// Where only the cost was measured nothing is said of durations.
func TestCostOnly(t *testing.T) {
	p := sound()
	p.costOnly, p.truths, p.truth, p.reported = true, nil, 0, 149999
	want := []results.Value{
		{V: 306, Unit: "base-insn/op"}, {V: 819, Unit: "probed-insn/op"}, {V: 513, Unit: "overhead-insn/op"},
		{V: 150000, Unit: "calls-issued"}, {V: 149999, Unit: "calls-reported"}, {V: 0, Unit: "missed"},
	}
	if diff := cmp.Diff(want, p.row().Values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	expect(t, p.checks(ICount), []outcome{{"sys_getpid by kretprobe: invocations", Failed, []string{"149999"}}})
}

func TestRoundsShareTheCalls(t *testing.T) {
	for calls, want := range map[int][]int{8: {2, 2, 2, 2}, 4: {1, 1, 1, 1}, 6: {1, 2, 1, 2}, 150000: {37500, 37500, 37500, 37500}} {
		var got []int
		for n := range rounds {
			got = append(got, round{n, rounds}.share(calls, false))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d calls (-want +got):\n%s", calls, diff)
		}
	}
	for calls, want := range map[int][]int{4: {1, 1, 1, 1}, 46: {3, 3, 3, 37}, 150000: {10000, 10000, 10000, 120000}} {
		var got []int
		for n := range rounds {
			got = append(got, round{n, rounds}.share(calls, true))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d calls in uneven rounds (-want +got):\n%s", calls, diff)
		}
	}
}

func TestRateNameFitsAParameter(t *testing.T) {
	for text, want := range map[string]string{"max": "max", "10000/s": "10000-per-s", "5/ms": "5-per-ms"} {
		rate, err := workloads.ParseRate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := rateName(rate); got != want {
			t.Errorf("%s is called %q, want %q", text, got, want)
		}
	}
}

// What is counted between two readings is what was added to the total, and not
// a difference of averages.
func TestCounted(t *testing.T) {
	at := func(average, invocations, missed uint64) reading {
		return reading{kmod.Stat{Symbol: "f", AverageNs: average, Invocations: invocations}, missed}
	}
	for name, test := range map[string]struct {
		before, after reading
		want          counted
		average       float64
	}{
		"since it was loaded": {reading{}, at(280, 1000, 0), counted{1000, 0, 280000}, 280},
		// 10 calls of 1000 to warm up, then 90 of 100: 10000 and 9000, together 190 a call
		"behind a warm-up":       {at(1000, 10, 0), at(190, 100, 0), counted{90, 0, 9000}, 100},
		"missed calls took none": {at(100, 10, 5), at(100, 30, 15), counted{20, 10, 1000}, 100},
		"all missed":             {at(0, 0, 0), at(0, 7, 7), counted{7, 7, 0}, 0},
		"none":                   {at(100, 10, 0), at(100, 10, 0), counted{}, 0},
	} {
		got := test.after.since(test.before)
		if got != test.want || got.average() != test.average {
			t.Errorf("%s: %+v, average %v; want %+v, %v", name, got, got.average(), test.want, test.average)
		}
	}
	sum := counted{90, 1, 9000}.plus(counted{10, 2, 2000})
	if want := (counted{100, 3, 11000}); sum != want {
		t.Errorf("the sum is %+v, want %+v", sum, want)
	}
}

func TestParseReading(t *testing.T) {
	parseReading := func(fn string, files [][]byte) (reading, error) {
		r, err := parseReadings(files)
		if err != nil {
			return reading{}, err
		}
		return findReading(fn, r.stats, r.missed)
	}
	const stats, missed = "sys_read:90:5\nsys_getpid:279:150000\n", "sys_read:1\nsys_getpid:2\n"
	got, err := parseReading("sys_getpid", [][]byte{[]byte(stats), []byte(missed)})
	want := reading{kmod.Stat{Symbol: "sys_getpid", AverageNs: 279, Invocations: 150000}, 2}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for name, test := range map[string]struct{ fn, stats, missed, want string }{
		"not there":         {"sys_write", stats, missed, "sys_write"},
		"not among missed":  {"sys_getpid", stats, "sys_read:1\n", "sys_getpid"},
		"twice":             {"sys_read", "sys_read:1:1\nsys_read:1:1\n", missed, "sys_read"},
		"twice, no misses":  {"sys_read", "sys_read:1:1\nsys_read:1:1\n", "", "sys_read"},
		"damaged":           {"sys_read", "sys_read:1", missed, "line 1"},
		"damaged misses":    {"sys_read", stats, "sys_read", "line 1"},
		"a part of another": {"sys_get", stats, missed, "sys_get"},
	} {
		if got, err := parseReading(test.fn, [][]byte{[]byte(test.stats), []byte(test.missed)}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %+v, error %v does not name %q", name, got, err, test.want)
		}
	}
}

// A tick is an instruction on the exact clock; on others it is turned into
// nanoseconds.
func TestTimeOfACall(t *testing.T) {
	// 10 calls: 3000 of 4000 ticks are not the loop's, and 900 of 1300 ns.
	timing := kmod.Timing{Calls: 10, Ticks: 4000, LoopTicks: 1000, NS: 1300, LoopNS: 400}
	run := workloads.Result{Batch: 10, Ticks: []uint64{4000, 5000}, LoopTicks: 1000, TicksPerSec: 2e9}
	for clock, want := range map[Clock]struct {
		testbed float64
		calls   []float64
	}{
		ICount: {303, []float64{300, 400}}, // the empty function's 3 are added
		TCG:    {90, []float64{150, 200}},
		KVM:    {90, []float64{150, 200}},
		Native: {90, []float64{150, 200}},
	} {
		l := &lab{Options: Options{Clock: clock}}
		if got := l.perCall(timing, 3); got != want.testbed {
			t.Errorf("%s: by the testbed %v, want %v", clock, got, want.testbed)
		}
		if diff := cmp.Diff(want.calls, l.perCallOf(&run, 1)); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", clock, diff)
		}
	}
}
