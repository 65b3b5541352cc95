// SPDX-License-Identifier: MIT

package results

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"
)

const golden = `kernel: 6.1.0-56-amd64
clock: icount
Unit overhead-insn/op better=lower assume=exact
BenchmarkProbe/func=sys_getpid/backend=kretprobe/rate=max  150000  309 base-insn/op  720 probed-insn/op  411 overhead-insn/op  233 reported-insn/op  68 true-insn/op  165 bias-insn/op  150000 calls-issued  150000 calls-reported  0 missed
BenchmarkLeakScan/region=64MiB/blocks=1000  1  22300000 insn/op  2.63 insn/word  1 precision  1 recall
`

func goldenFile() *File {
	return &File{
		Env:   []Config{{"kernel", "6.1.0-56-amd64"}, {"clock", "icount"}},
		Units: []Unit{{Name: "overhead-insn/op", Better: "lower", Exact: true}},
		Rows: []Row{{
			Name:   "Probe",
			Params: []Param{{"func", "sys_getpid"}, {"backend", "kretprobe"}, {"rate", "max"}},
			Iters:  150000,
			Values: []Value{
				{309, "base-insn/op"}, {720, "probed-insn/op"}, {411, "overhead-insn/op"},
				{233, "reported-insn/op"}, {68, "true-insn/op"}, {165, "bias-insn/op"},
				{150000, "calls-issued"}, {150000, "calls-reported"}, {0, "missed"},
			},
		}, {
			Name:   "LeakScan",
			Params: []Param{{"region", "64MiB"}, {"blocks", "1000"}},
			Iters:  1,
			Values: []Value{{22300000, "insn/op"}, {2.63, "insn/word"}, {1, "precision"}, {1, "recall"}},
		}},
	}
}

func text(t *testing.T, f *File) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	if diff := cmp.Diff(golden, text(t, goldenFile())); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	got, err := Read(strings.NewReader(golden), "golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenFile(), got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestBenchfmtReadsIt(t *testing.T) {
	in := benchfmt.NewReader(strings.NewReader(golden), "golden")
	var names []string
	for in.Scan() {
		switch rec := in.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			names = append(names, rec.Name.String())
			if got := rec.GetConfig("kernel"); got != "6.1.0-56-amd64" {
				t.Errorf("kernel is %q", got)
			}
		}
	}
	want := []string{"Probe/func=sys_getpid/backend=kretprobe/rate=max", "LeakScan/region=64MiB/blocks=1000"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if better := in.Units().GetBetter("overhead-insn/op"); better != -1 {
		t.Errorf("better is %d, want -1", better)
	}
}

// benchstat compares one exact value with one other; without assume=exact it
// needs four of each.
func TestBenchstatComparesSingleExactValues(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, overhead float64, exact bool) string {
		f := goldenFile()
		f.Units[0].Exact = exact
		f.Rows = f.Rows[:1]
		f.Rows[0].Values = []Value{{overhead, "overhead-insn/op"}}
		path := filepath.Join(dir, name)
		if err := WriteFile(path, f); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stat := func(exact bool) string {
		out, err := exec.Command("go", "tool", "benchstat", write("old", 400, exact), write("new", 410, exact)).CombinedOutput()
		if err != nil {
			t.Fatalf("benchstat: %v\n%s", err, out)
		}
		return string(out)
	}
	if out := stat(true); !strings.Contains(out, "+2.50%") {
		t.Errorf("benchstat does not say +2.50%%:\n%s", out)
	}
	if out := stat(false); strings.Contains(out, "+2.50%") || !strings.Contains(out, "~") {
		t.Errorf("benchstat compares values that are not exact at n=1:\n%s", out)
	}
}

func TestNumbers(t *testing.T) {
	tests := map[string]struct {
		v    float64
		want string
	}{
		"zero":                      {0, "0"},
		"integer":                   {22300000, "22300000"},
		"largest exact integer":     {1 << 53, "9007199254740992"},
		"negative":                  {-17, "-17"},
		"fraction":                  {2.63, "2.63"},
		"shortest that reads again": {math.Nextafter(0.3, 1), "0.30000000000000004"},
		"small":                     {0.000001, "0.000001"},
		"tiny":                      {5e-324, "5e-324"},
		"huge":                      {1e300, "1e+300"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := number(test.v); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*File)
		says   string
	}{
		"no rows":               {func(f *File) { f.Rows = nil }, "no benchmark rows"},
		"not a number":          {func(f *File) { f.Rows[1].Values[1].V = math.NaN() }, `row "LeakScan/region=64MiB/blocks=1000": insn/word is NaN`},
		"infinite":              {func(f *File) { f.Rows[0].Values[2].V = math.Inf(-1) }, "overhead-insn/op is -Inf"},
		"no iterations":         {func(f *File) { f.Rows[0].Iters = 0 }, "0 iterations"},
		"no values":             {func(f *File) { f.Rows[0].Values = nil }, "no values"},
		"small name":            {func(f *File) { f.Rows[0].Name = "probe" }, "begins with a capital"},
		"empty name":            {func(f *File) { f.Rows[0].Name = "" }, "begins with a capital"},
		"slash in a name":       {func(f *File) { f.Rows[0].Name = "A/b" }, "without / and ="},
		"space in a parameter":  {func(f *File) { f.Rows[0].Params[0].Value = "a b" }, "parameter func"},
		"slash in a parameter":  {func(f *File) { f.Rows[0].Params[2].Value = "1/s" }, "parameter rate"},
		"equals in a parameter": {func(f *File) { f.Rows[0].Params[0].Key = "a=b" }, `parameter "a=b"`},
		"empty parameter":       {func(f *File) { f.Rows[0].Params[0].Value = "" }, "parameter func"},
		"doubled parameter":     {func(f *File) { f.Rows[0].Params[1].Key = "func" }, "twice"},
		"looks like processors": {func(f *File) { f.Rows[0].Params[2].Value = "6.1.0-56" }, `ends in "-56"`},
		"name like processors":  {func(f *File) { f.Rows[0] = Row{Name: "A-1", Iters: 1, Values: []Value{{1, "x"}}} }, `ends in "-1"`},
		"space in a unit":       {func(f *File) { f.Rows[0].Values[0].Unit = "a b" }, `unit "a b"`},
		"empty unit":            {func(f *File) { f.Rows[0].Values[0].Unit = "" }, `unit ""`},
		"doubled value":         {func(f *File) { f.Rows[0].Values[1].Unit = "base-insn/op" }, "the same as"},
		"doubled under a prefix": {func(f *File) { f.Rows[1].Values[0].Unit, f.Rows[1].Values[1].Unit = "ns/op", "sec/op" },
			`unit "sec/op" is the same as unit "ns/op"`},
		"row longer than a line": {func(f *File) { f.Rows[0].Params[0].Value = strings.Repeat("x", 1<<16) }, "too long"},
		"bad direction":          {func(f *File) { f.Units[0].Better = "Lower" }, `better is "Lower"`},
		"nothing about a unit":   {func(f *File) { f.Units[0] = Unit{Name: "x"} }, "leave it out"},
		"exact and noisy":        {func(f *File) { f.Units[0].Noisy = true }, "exact values are not noisy"},
		"doubled unit":           {func(f *File) { f.Units = append(f.Units, f.Units[0]) }, "the same as"},
		"unit of two words":      {func(f *File) { f.Units[0].Name = "a b" }, "one word"},
		"capital in a key":       {func(f *File) { f.Env[0].Key = "kernelVersion" }, "kernelVersion"},
		"digit first in a key":   {func(f *File) { f.Env[0].Key = "6kernel" }, "6kernel"},
		"colon in a key":         {func(f *File) { f.Env[0].Key = "a:b" }, "a:b"},
		"doubled key":            {func(f *File) { f.Env[1].Key = "kernel" }, "twice"},
		"two lines":              {func(f *File) { f.Env[0].Value = "a\nUnit x better=lower" }, "one line"},
		"carriage return":        {func(f *File) { f.Env[0].Value = "a\r" }, "one line"},
		"empty environment":      {func(f *File) { f.Env[0].Value = "" }, "empty"},
		"leading space":          {func(f *File) { f.Env[0].Value = " a" }, "begins with a space"},
		"long environment":       {func(f *File) { f.Env[0].Value = strings.Repeat("x", 1<<16) }, "too long"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := goldenFile()
			test.change(f)
			var b bytes.Buffer
			err := Write(&b, f)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	tests := map[string]struct{ text, says string }{
		"empty":                  {"", "no benchmark rows"},
		"environment alone":      {"kernel: 6.1\n", "no benchmark rows"},
		"cut after a number":     {golden[:strings.LastIndex(golden, " recall")], "golden:5: missing units"},
		"cut after the name":     {"BenchmarkA ", "golden:1: missing iteration count"},
		"not a number":           {"BenchmarkA 1 NaN x\n", "golden:1"},
		"infinite":               {"BenchmarkA 1 +Inf x\n", "golden:1"},
		"processors":             {"BenchmarkA-8 1 1 x\n", `golden:1: "-8"`},
		"unnamed parameter":      {"BenchmarkA/b 1 1 x\n", `golden:1: "/b"`},
		"environment changes":    {"a: 1\nBenchmarkA 1 1 x\na: 2\nBenchmarkA 1 1 x\n", "golden:4: the environment differs"},
		"contradiction":          {"Unit x better=lower\nUnit x better=higher\nBenchmarkA 1 1 x\n", "golden:2"},
		"unknown direction":      {"Unit x better=up\nBenchmarkA 1 1 x\n", `better is "up"`},
		"line without an end":    {"a: " + strings.Repeat("x", 1<<17) + "\nBenchmarkA 1 1 x\n", "too long"},
		"iterations not a count": {"BenchmarkA x 1 x\n", "golden:1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := Read(strings.NewReader(test.text), "golden")
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q; read %+v", err, test.says, f)
			}
		})
	}
	if _, err := Read(strings.NewReader(""), "x"); !errors.Is(err, ErrEmpty) {
		t.Errorf("error %v, want ErrEmpty", err)
	}
	if _, err := ReadFile(t.TempDir() + "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want one that says the file does not exist", err)
	}
}

func TestUnitsThatBenchfmtRescalesComeBackAsWritten(t *testing.T) {
	f := goldenFile().OnClock("kvm")
	f.Rows[0].Values = append(f.Rows[0].Values, Value{3, "MB/s"}, Value{0, "late-ns"})
	got, err := Read(strings.NewReader(text(t, f)), "x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

func TestOnClock(t *testing.T) {
	units := map[string]struct{ clock, unit, want string }{
		"exact clock":      {"icount", "overhead-insn/op", "overhead-insn/op"},
		"real time":        {"kvm", "overhead-insn/op", "overhead-ns/op"},
		"in front":         {"native", "insn/word", "ns/word"},
		"alone":            {"tcg", "insn", "ns"},
		"part of a word":   {"kvm", "insns/op", "insns/op"},
		"no time in it":    {"kvm", "calls-issued", "calls-issued"},
		"in a denominator": {"kvm", "calls/insn", "calls/ns"},
	}
	for name, test := range units {
		t.Run(name, func(t *testing.T) {
			if got := UnitOn(test.clock, test.unit); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}

	f := goldenFile()
	f.Units = append(f.Units, Unit{Name: "missed", Better: "lower", Exact: true}, Unit{Name: "insn/word", Exact: true}, Unit{Name: "wait-insn", Noisy: true})
	was := text(t, f)
	g := f.OnClock("kvm")
	want := []Unit{{Name: "overhead-ns/op", Better: "lower"}, {Name: "missed", Better: "lower", Exact: true}, {Name: "wait-ns", Noisy: true}}
	if diff := cmp.Diff(want, g.Units); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	if v, ok := g.Rows[0].Value("overhead-ns/op"); !ok || v != 411 {
		t.Errorf("overhead is %g, %v, want 411", v, ok)
	}
	if _, ok := g.Rows[0].Value("overhead-insn/op"); ok {
		t.Error("the old unit is still there")
	}
	g.Env[0].Value, g.Rows[0].Params[0].Value = "changed", "changed"
	if diff := cmp.Diff(was, text(t, f)); diff != "" {
		t.Errorf("the original changed (-was +is):\n%s", diff)
	}
	if diff := cmp.Diff(f, f.OnClock(ClockICount)); diff != "" {
		t.Errorf("on icount (-want +got):\n%s", diff)
	}
}

func TestWhatIsWrittenReadsTheSame(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func(alphabet string) string {
		runes := []rune(alphabet)
		b := []rune{}
		for range 1 + rnd.IntN(6) {
			b = append(b, runes[rnd.IntN(len(runes))])
		}
		return string(b)
	}
	value := func() float64 {
		if rnd.IntN(2) == 0 {
			return float64(rnd.Int64N(1 << 53))
		}
		for {
			v := math.Float64frombits(rnd.Uint64())
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		}
	}
	for range 2000 {
		f := &File{}
		for i := range rnd.IntN(4) {
			f.Env = append(f.Env, Config{word("abz-.é") + string(rune('a'+i)), "v" + word("aZ :=/\t\"é#")})
		}
		for i := range rnd.IntN(3) {
			u := Unit{Name: word("ns/opMB-") + string(rune('A'+i)), Better: []string{"lower", "higher"}[rnd.IntN(2)]}
			u.Exact = rnd.IntN(2) == 0
			u.Noisy = !u.Exact && rnd.IntN(2) == 0
			if u.Exact && rnd.IntN(2) == 0 {
				u.Slack = []Slack{"0.5%", "20"}[rnd.IntN(2)]
			}
			f.Units = append(f.Units, u)
		}
		for range 1 + rnd.IntN(4) {
			r := Row{Name: "N" + word("aZ-_é9"), Iters: 1 + rnd.IntN(1<<40)}
			for i := range rnd.IntN(4) {
				r.Params = append(r.Params, Param{string(rune('a'+i)) + word("aZ-.,"), word("aZ-.,:9_")})
			}
			for i := range 1 + rnd.IntN(4) {
				r.Values = append(r.Values, Value{value(), word("ns/opMB-") + string(rune('A'+i))})
			}
			f.Rows = append(f.Rows, r)
		}
		if f.check() != nil {
			continue // a name that ends like -9, or a key that begins with -
		}
		got, err := Read(strings.NewReader(text(t, f)), "x")
		if err != nil {
			t.Fatalf("%v\n%s", err, text(t, f))
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Fatalf("(-written +read):\n%s", diff)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(golden)
	f.Add("a: 1\nBenchmarkA/b=c 1 5 ns/op 0 MB/s\nUnit ns/op better=lower\n")
	f.Add("PASS\nBenchmarkA\nBenchmarkA 1 0x1p-2 x\nUnit x assume=nothing other=1\n")
	f.Fuzz(func(t *testing.T, in string) {
		first, err := Read(strings.NewReader(in), "x")
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Write(&b, first); err != nil {
			t.Fatalf("what was read is not written: %v", err)
		}
		second, err := Read(&b, "y")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}
