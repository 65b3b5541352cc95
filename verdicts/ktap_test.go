// SPDX-License-Identifier: MIT

package verdicts

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/results"
)

var mixed = []Suite{
	{
		Name: "6.1", Env: []results.Config{{Key: "kernel", Value: "6.1.0-56-amd64"}},
		Cases: []Case{
			{"sys_getpid: invocations", Passed, "150000 of 150000"},
			{"sys_read: average", Failed, "reported are 70, true are 68"},
			{"sys_clone: average", Skipped, "calls differ"},
		},
	},
	{Name: "6.12", Cases: []Case{{"leaks", Passed, ""}}},
	{Name: "7.3", Error: "the guest ended with hang: no word\nfor 60 s"},
	{Name: "5.10", Cases: []Case{{"direct", Skipped, "not supported"}}},
	{Name: "6.1-rt", Cases: []Case{{"leaks", Passed, ""}}, Error: "broke off"},
}

// hostile is what no name should be.
var hostile = []Suite{{
	Name: "a # SKIP b\nnot ok 1 c", Env: []results.Config{{Key: "cpu", Value: "x\n1..9"}},
	Cases: []Case{
		{"ok 7 # TODO <&\">\x00\x1b[31m\xff", Failed, "]]> # SKIP\nnot ok 2 d"},
		{"  1..3", Passed, ""},
	},
}}

func TestKTAPText(t *testing.T) {
	const want = `KTAP version 1
1..5
  KTAP version 1
  # Subtest: 6.1
  1..3
  # kernel: 6.1.0-56-amd64
  ok 1 sys_getpid: invocations
  # sys_read: average: reported are 70, true are 68
  not ok 2 sys_read: average
  ok 3 sys_clone: average # SKIP calls differ
not ok 1 6.1
  KTAP version 1
  # Subtest: 6.12
  1..1
  ok 1 leaks
ok 2 6.12
not ok 3 7.3 # ERROR the guest ended with hang: no word for 60 s
  KTAP version 1
  # Subtest: 5.10
  1..1
  ok 1 direct # SKIP not supported
ok 4 5.10 # SKIP nothing could be told
  KTAP version 1
  # Subtest: 6.1-rt
  1..1
  ok 1 leaks
not ok 5 6.1-rt # ERROR broke off
`
	if diff := cmp.Diff(want, string(KTAP(mixed))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// ktapTest is a test as a reader of KTAP sees it.
type ktapTest struct {
	name, directive, detail string
	ok                      bool
	subtests                []ktapTest
}

var (
	planLine   = regexp.MustCompile(`^1\.\.(\d+)$`)
	resultLine = regexp.MustCompile(`^(ok|not ok) (\d+) ([^#]*)(?:# (?:(SKIP|TODO|XFAIL|TIMEOUT|ERROR) )?(.*))?$`)
)

// parseKTAP reads what stands at a level, by the kernel's document alone, and
// returns the lines that follow it.
func parseKTAP(lines []string, level string) (tests []ktapTest, rest []string, err error) {
	at := func() (string, bool) {
		if len(lines) == 0 {
			return "", false
		}
		text, ok := strings.CutPrefix(lines[0], level)
		return text, ok
	}
	skipDiagnostics := func() {
		for text, ok := at(); ok && strings.HasPrefix(text, "# "); text, ok = at() {
			lines = lines[1:]
		}
	}
	if text, _ := at(); text != "KTAP version 1" {
		return nil, nil, fmt.Errorf("%q is no version line", text)
	}
	lines = lines[1:]
	skipDiagnostics()
	text, _ := at()
	m := planLine.FindStringSubmatch(text)
	if m == nil {
		return nil, nil, fmt.Errorf("%q is no plan", text)
	}
	planned, _ := strconv.Atoi(m[1])
	lines = lines[1:]
	for number := 1; number <= planned; number++ {
		var test ktapTest
		skipDiagnostics()
		if len(lines) > 0 && lines[0] == level+"  KTAP version 1" {
			if test.subtests, lines, err = parseKTAP(lines, level+"  "); err != nil {
				return nil, nil, err
			}
		}
		for len(lines) > 0 && strings.HasPrefix(lines[0], level+"  # ") {
			lines = lines[1:]
		}
		skipDiagnostics()
		text, _ := at()
		m := resultLine.FindStringSubmatch(text)
		if m == nil || m[2] != strconv.Itoa(number) {
			return nil, nil, fmt.Errorf("%q is not result %d of %d", text, number, planned)
		}
		test.ok, test.name, test.directive, test.detail = m[1] == "ok", strings.TrimSpace(m[3]), m[4], m[5]
		tests, lines = append(tests, test), lines[1:]
	}
	return tests, lines, nil
}

func TestKTAPReadsBack(t *testing.T) {
	for name, suites := range map[string][]Suite{"mixed": mixed, "hostile": hostile} {
		t.Run(name, func(t *testing.T) {
			text := string(KTAP(suites))
			tests, rest, err := parseKTAP(strings.Split(text, "\n"), "")
			if err != nil || !slices.Equal(rest, []string{""}) {
				t.Fatalf("%v, left are %q\n%s", err, rest, text)
			}
			if len(tests) != len(suites) {
				t.Fatalf("%d tests, want %d", len(tests), len(suites))
			}
			for i, s := range suites {
				got := tests[i]
				if got.ok != s.Good() || len(got.subtests) != len(s.Cases) || (got.directive == "ERROR") != (s.Error != "") {
					t.Errorf("suite %d: %+v", i, got)
				}
				for j, c := range s.Cases {
					sub := got.subtests[j]
					if sub.ok != (c.Outcome != Failed) || (sub.directive == "SKIP") != (c.Outcome == Skipped) {
						t.Errorf("suite %d, case %d: %+v, want %+v", i, j, sub, c)
					}
				}
			}
		})
	}
}
