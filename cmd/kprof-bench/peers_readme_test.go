// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kprof-bench/results"
)

// README.md's tables of peers are those of the recorded files.
func TestReadmeShowsTheRecordedPeers(t *testing.T) {
	text := readme(t)
	for file, fewest := range map[string]int{recordedPeers: 15, recordedPeersNewer: 3} {
		f := readFile(t, file)
		tables := tablesOf(t, text, "kernel "+setting(t, f, "kernel")+", ")
		if len(tables) != 2 || len(tables[0]) < fewest || len(tables[1]) < fewest {
			t.Fatalf("README.md's tables of %s are %q", file, tables)
		}
		for _, line := range tables[0][1:] {
			if want := costsOf(t, f, strings.Fields(line)[0]); !slices.Equal(strings.Fields(line), want) {
				t.Errorf("README.md says %q, recorded is %q", line, want)
			}
		}
		for _, line := range tables[1][1:] {
			fields, want, right := strings.Fields(line), []string(nil), 0
			if want, right = trustOf(t, f, fields[0]); len(fields) < len(want) || !slices.Equal(fields[:len(want)], want) || strings.Count(line, "right") != right {
				t.Errorf("README.md says %q, recorded is %q, and right %d times", line, want, right)
			}
		}
	}
}

// tablesOf are the tables in the last block of a text that begins so.
func tablesOf(t *testing.T, text, head string) [][]string {
	t.Helper()
	at := strings.LastIndex(text, "```\n"+head)
	if at < 0 {
		t.Fatalf("README.md has no block that begins with %q", head)
	}
	block, _, _ := strings.Cut(text[at+len("```\n"):], "\n```")
	var tables [][]string
	for _, table := range strings.Split(block, "\n\n")[1:] {
		tables = append(tables, strings.Split(table, "\n"))
	}
	return tables
}

// cellsOf are figures of a recorded row as they are printed, if there is such a row.
func cellsOf(f *results.File, name string, units ...string) []string {
	var cells []string
	for _, r := range f.Rows {
		for _, unit := range units {
			if v, ok := r.Value(unit); ok && r.FullName() == name {
				cells = append(cells, insn(v))
			}
		}
	}
	return cells
}

// costsOf is a peer's line in the table of costs.
func costsOf(t *testing.T, f *results.File, peer string) []string {
	t.Helper()
	of := "/peer=" + peer + "/func="
	line := append([]string{peer}, cellsOf(f, "Peer"+of+"sys_getpid", "overhead-insn/op")...)
	for _, subject := range []string{"sys_getpid", "tb_work/n=1", "tb_work/n=100", "tb_work/n=1000", "tb_work/n=10000"} {
		line = append(line, cellsOf(f, "Peer"+of+subject, "bias-insn/op")...)
		for _, bias := range cellsOf(f, "Peer"+of+subject, "rounded-bias-insn/op") {
			line = append(line, "~"+bias)
		}
	}
	line = append(line, cellsOf(f, "PeerTool"+of+"sys_getpid", "tool-overhead-insn/op", "tool-bias-insn/op", "tool-spread-percent")...)
	if len(line) < 2 {
		t.Errorf("nothing is recorded of %s", peer)
	}
	return line
}

// trustOf is how a peer's line in the table of calls begins, and how many shapes it
// has right.
func trustOf(t *testing.T, f *results.File, peer string) (line []string, right int) {
	t.Helper()
	of := "/peer=" + peer + "/func="
	line = append([]string{peer}, cellsOf(f, "Peer"+of+"sys_getpid", "calls-issued", "calls-reported", "lost")...)
	for i, cell := range cellsOf(f, "PeerTool"+of+"sys_getpid", "calls-issued", "tool-calls-reported", "tool-lost") {
		line = append(line, strings.Repeat("~", min(i, 1))+cell)
	}
	line = append(line, cellsOf(f, "PeerBurst"+of+"sys_getpid", "calls-issued", "calls-reported", "lost")...)
	for _, r := range f.Rows {
		if v, _ := r.Value("correct"); v == 1 && strings.HasPrefix(r.FullName(), "PeerShape"+of) {
			right++
		}
	}
	return line, right
}

// What differs from one time to the next is not taken for exact, and what does is.
func TestComparePeers(t *testing.T) {
	was, err := os.ReadFile(recordedPeers)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		unit, says string
		code       int
	}{
		{"attach-insn", "could not tell: 1 sample", 2},
		{"kernel-bytes", "could not tell: 1 sample", 2},
		{"asleep-true-insn/op", "could not tell: 1 sample", 2},
		{"tool-bias-insn/op", "could not tell: 1 sample", 2},
		{"bias-insn/op", "worse", 1},
		{"correct", "worse", 1},
	} {
		figure := regexp.MustCompile(`-?[0-9.]+ ` + c.unit + `( |\n)`)
		now := filepath.Join(t.TempDir(), "peers.txt")
		if err := os.WriteFile(now, figure.ReplaceAll(was, []byte("-7 "+c.unit+"$1")), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), []string{"compare", recordedPeers, now, "--changed"}, &stdout, &stderr)
		if code != c.code || !strings.Contains(stdout.String(), c.says) {
			t.Errorf("%s: exit code %d, %s%s", c.unit, code, stdout.String(), stderr.String())
		}
	}
}
