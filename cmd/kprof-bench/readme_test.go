// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kprof-bench/guest/guesttest"
)

// shown is a command that README.md shows, and the output it shows for it.
type shown struct {
	line   string
	output []string
}

// consoleCommands returns the commands of all console blocks of a Markdown
// text: the lines that begin with "$ ".
func consoleCommands(text string) []shown {
	var all []shown
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "```console":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case !inside:
		case strings.HasPrefix(line, "$ "):
			all = append(all, shown{line: line[2:]})
		case len(all) > 0:
			last := &all[len(all)-1]
			last.output = append(last.output, line)
		}
	}
	return all
}

var (
	revision = regexp.MustCompile(`module [0-9a-f]{12}`)
	number   = regexp.MustCompile(`-?[0-9]+(\.[0-9]+)*`)
	blanks   = regexp.MustCompile(`\s+`)
)

// shape is a line without what may differ from run to run of different
// programs: its numbers, and the widths of columns that depend on them.
func shape(line string) string {
	line = revision.ReplaceAllString(line, "module REV")
	line = number.ReplaceAllString(line, "N")
	return strings.TrimSpace(blanks.ReplaceAllString(line, " "))
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every command in README.md works, and prints lines of the shape shown there,
// in that order.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	commands := consoleCommands(readme(t))
	if len(commands) < 5 {
		t.Fatalf("README.md shows %d commands in console blocks, which are fewer than it did", len(commands))
	}
	guesttest.Kernel(t)
	for _, c := range commands {
		if strings.HasPrefix(c.line, peersLine) {
			continue // by TestPeers
		}
		t.Run(strings.Fields(c.line)[0], func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", c.line)
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", c.line, err, out)
			}
			if missing := firstMissing(c.output, string(out)); missing != "" {
				t.Errorf("%s: prints no line like %q where README.md shows it:\n%s", c.line, missing, out)
			}
		})
	}
}

// longCommands are those that README.md shows without their output: they take minutes,
// or files of one's own.
func longCommands(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line, ok := strings.CutPrefix(line, "    bin/kprof-bench "); ok {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// What takes too long for a test is spelled as the program understands it.
func TestReadmeLongCommands(t *testing.T) {
	all := longCommands(readme(t))
	if len(all) < 5 {
		t.Fatalf("README.md shows %d long commands, which are fewer than it did", len(all))
	}
	for _, line := range all {
		var stdout, stderr strings.Builder
		if code := Main(t.Context(), append(strings.Fields(line), "--help"), &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "Flags:") {
			t.Errorf("%s: exit code %d, %s", line, code, stderr.String())
		}
	}
}

// firstMissing returns the first line of want that has no counterpart of the
// same shape in got, behind that of the line before.
func firstMissing(want []string, got string) string {
	lines := strings.Split(got, "\n")
	for _, w := range want {
		at := 0
		for at < len(lines) && shape(lines[at]) != shape(w) {
			at++
		}
		if at == len(lines) {
			return w
		}
		lines = lines[at+1:]
	}
	return ""
}

func TestFirstMissing(t *testing.T) {
	for _, c := range []struct {
		name string
		want []string
		got  string
		miss string
	}{
		{"other numbers", []string{"a 12  b", "PASS: 3"}, "noise\na 7 b\nPASS: 41.5\n", ""},
		{"below zero", []string{"bias 0.5"}, "bias -12\n", ""},
		{"other word", []string{"a 12 b", "PASS: 3"}, "a 7 b\nFAIL: 3\n", "PASS: 3"},
		{"other order", []string{"a", "b"}, "b\na\n", "b"},
		{"a line fewer", []string{"a", "a"}, "a\n", "a"},
	} {
		if got := firstMissing(c.want, c.got); got != c.miss {
			t.Errorf("%s: %q is missing, want %q", c.name, got, c.miss)
		}
	}
}

// What README.md says to do as root on a machine of one's own is what the
// modules' own makefile can do.
func TestReadmeNamesWhatIsThere(t *testing.T) {
	text := readme(t)
	packages, err := filepath.Glob("../../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{"cmd/kprof-bench", "kmod/profiler", "kmod/testbed", "LICENSES"}
	for _, file := range packages {
		dirs = append(dirs, filepath.Base(filepath.Dir(file)))
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if !strings.Contains(text, "`"+dir+"`") {
			t.Errorf("README.md does not name %s", dir)
		}
		if _, err := os.Stat(filepath.Join("../..", dir)); err != nil {
			t.Error(err)
		}
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"run", "test", "module"} {
		if !strings.Contains(text, "make "+target) || !strings.Contains(string(makefile), "\n"+target+":") {
			t.Errorf("make %s is not both in README.md and in the Makefile", target)
		}
	}
}
