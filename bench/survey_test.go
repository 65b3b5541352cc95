// SPDX-License-Identifier: MIT

package bench

import (
	"slices"
	"strings"
	"testing"

	"kprof-bench/workloads"

	"github.com/google/go-cmp/cmp"
)

func targetsOf(t *testing.T, funcs ...string) []target {
	t.Helper()
	targets, err := findTargets(funcs)
	if err != nil {
		t.Fatal(err)
	}
	return targets
}

func TestAllFuncsAreThoseOfAllWorkloads(t *testing.T) {
	all := targetsOf(t, AllFuncs)
	n := 0
	for _, g := range workloads.All() {
		n += len(g.Funcs)
	}
	if len(all) != n || n < 18 {
		t.Errorf("%d functions, want %d", len(all), n)
	}
	if !slices.ContainsFunc(all, func(t target) bool { return t.fn == "vfs_read" && t.gen.Name == "read" }) {
		t.Error("vfs_read by read is not among them")
	}
}

func TestPresent(t *testing.T) {
	symbols := map[string]bool{"__x64_sys_read": true, "sys_write": true, "vfs_read": true}
	kept, lacking := present(targetsOf(t, "sys_read", "sys_write", "vfs_read", "vfs_write", "__x64_sys_read"), symbols)
	var names []string
	for _, k := range kept {
		names = append(names, k.fn)
	}
	if diff := cmp.Diff([]string{"sys_read", "vfs_read", "__x64_sys_read"}, names); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if len(lacking) != 2 || lacking[0].Name != "sys_write" || lacking[0].Verdict != NotSupported {
		t.Errorf("lacking are %+v", lacking)
	}
}

// reading of the two files, for calls of three functions.
func filesOf(read, vfs, other string) [][]byte {
	return [][]byte{
		[]byte("sys_read:400:" + read + "\nvfs_read:300:" + vfs + "\nsys_write:1:" + other + "\n"),
		[]byte("sys_read:0\nvfs_read:0\nsys_write:0\n"),
	}
}

func TestSurvey(t *testing.T) {
	read := targetsOf(t, "sys_read")[0].gen
	for name, test := range map[string]struct {
		after   [][]byte
		verdict Verdict
		says    string
	}{
		"all counted":              {filesOf("17", "27", "5"), Held, "14 calls of 3 functions"},
		"one call too few":         {filesOf("16", "27", "5"), Failed, "sys_read 6 of 7, 0 missed"},
		"one call too many":        {filesOf("17", "28", "5"), Failed, "vfs_read 8 of 7, 0 missed"},
		"another workload's calls": {filesOf("17", "27", "900"), Held, "14 calls of 3 functions"},
	} {
		s := survey{reached: reached{}, backend: Direct, targets: targetsOf(t, "sys_read", "vfs_read", "sys_write")}
		r := &workloads.Result{Issued: 7, Before: filesOf("10", "20", "5"), After: test.after}
		if err := s.take(read, r, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c := s.check(); c.Verdict != test.verdict || !strings.Contains(c.Detail, test.says) {
			t.Errorf("%s: %+v, want %s, %q", name, c, test.verdict, test.says)
		}
		if got := s.reached["read"]["sys_write"]; got != (name == "another workload's calls") {
			t.Errorf("%s: reaching sys_write is %v", name, got)
		}
	}
}

func TestSurveySeesMisses(t *testing.T) {
	s := survey{reached: reached{}, backend: KRetProbe, targets: targetsOf(t, "sys_read")}
	after := filesOf("17", "27", "5")
	after[1] = []byte("sys_read:2\nvfs_read:0\nsys_write:0\n")
	r := &workloads.Result{Issued: 7, Before: filesOf("10", "20", "5"), After: after}
	if err := s.take(s.targets[0].gen, r, nil); err != nil {
		t.Fatal(err)
	}
	if c := s.check(); c.Verdict != Failed || !strings.Contains(c.Detail, "sys_read 7 of 7, 2 missed") {
		t.Errorf("%+v, want one that failed", c)
	}
}

func TestApart(t *testing.T) {
	var all []*driven
	for _, target := range targetsOf(t, "sys_openat", "sys_close", "sys_read", "vfs_read", "sys_pread64") {
		all = append(all, &driven{target: target})
	}
	r := reached{
		"openat":  {"sys_openat": true, "sys_close": true},
		"read":    {"sys_read": true, "vfs_read": true},
		"pread64": {"sys_pread64": true, "vfs_read": true},
	}
	var got []string
	for _, group := range r.apart(all) {
		var names []string
		for _, d := range group {
			names = append(names, d.fn)
		}
		got = append(got, strings.Join(names, " "))
	}
	if diff := cmp.Diff([]string{"sys_openat sys_read sys_pread64", "sys_close vfs_read"}, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if got := reached(nil).apart(all[:1]); len(got) != 1 {
		t.Errorf("one function alone makes %d groups", len(got))
	}
}

func TestWhatCannotBeProbedDirectly(t *testing.T) {
	many := target{fn: "do_mmap", notDirect: "why"}
	if many.supports(Direct) || many.supports(DirectHist) || !many.supports(KRetProbe) || !many.supports(RetHook) {
		t.Error("only direct is to be left out")
	}
	if checks := unsupported([]target{many, {fn: "sys_read"}}, Direct); len(checks) != 1 || checks[0].Detail != "why" {
		t.Errorf("checks are %+v", checks)
	}
}

func TestSurveyHoldsEventsAgainstTheModule(t *testing.T) {
	for name, test := range map[string]struct {
		others  []other
		verdict Verdict
		says    string
	}{
		"the same":             {[]other{{7, 7}, {7, -1}, {0, 0}}, Held, "perf events count the same"},
		"one more of the read": {[]other{{8, 7}, {7, -1}, {0, 0}}, Failed, "sys_read 7 in workload read, where perf events count 8"},
		"one of another":       {[]other{{7, 7}, {7, -1}, {1, 0}}, Failed, "sys_write 0 in workload read, where perf events count 1"},
		"one less at entry":    {[]other{{7, 6}, {7, -1}, {0, 0}}, Failed, "sys_read 7 in workload read, where the kernel's own event counts 6"},
		"one entry of another": {[]other{{7, 7}, {7, -1}, {0, 1}}, Failed, "sys_write 0 in workload read, where the kernel's own event counts 1"},
	} {
		s := survey{surveyPlan: surveyPlan{events: true}, reached: reached{}, targets: targetsOf(t, "sys_read", "vfs_read", "sys_write")}
		r := &workloads.Result{Issued: 7, Before: filesOf("10", "20", "5"), After: filesOf("17", "27", "5")}
		if err := s.take(s.targets[0].gen, r, test.others); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c := s.check(); c.Verdict != test.verdict || !strings.Contains(c.Detail, test.says) {
			t.Errorf("%s: %+v, want %s, %q", name, c, test.verdict, test.says)
		}
	}
}

// Others may call functions too where the kernel is not the bench's own.
func TestSurveyOfSharedKernel(t *testing.T) {
	for name, test := range map[string]struct {
		counted string
		verdict Verdict
	}{
		"as issued": {"17", Held},
		"more":      {"18", NotJudged},
		"fewer":     {"16", Failed},
	} {
		s := survey{reached: reached{}, shared: true, targets: targetsOf(t, "sys_read")}
		r := &workloads.Result{Issued: 7, Before: filesOf("10", "20", "5"), After: filesOf(test.counted, "27", "5")}
		if err := s.take(s.targets[0].gen, r, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c := s.check(); c.Verdict != test.verdict {
			t.Errorf("%s: %+v, want %s", name, c, test.verdict)
		}
	}
}
