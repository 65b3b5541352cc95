// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kprof-bench/results"
)

// scans are the rows about leak scans, by region and number of blocks.
func scans(f *results.File) map[string]results.Row {
	byRegion := map[string]results.Row{}
	for _, r := range f.Rows {
		if r.Name == "LeakScan" {
			byRegion[scanLabel(r)] = r
		}
	}
	return byRegion
}

// Wherever the kernel and all else come to lie, each verdict is right in each
// region. The default seed is that of all other tests, and the other kernels are
// other places too.
func TestLeaksOnOtherSeeds(t *testing.T) {
	for seed := 2; seed <= 3; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "results.txt")
			got := kprofBench(t, "run", "--only", "leaks", "--seed", fmt.Sprint(seed), "--out", out)
			got.must(t, 0, []string{"\nPASS: "}, nil)
			if strings.Contains(got.stderr, "drive ") || strings.Contains(got.stderr, "profile tb_work") {
				t.Error("other experiments were done too")
			}
			f := readFile(t, out)
			if s := setting(t, f, "seed"); s != fmt.Sprint(seed) {
				t.Errorf("the results name seed %s", s)
			}
			wantRight(t, f)
		})
	}
}

// wantRight fails if a verdict is wrong.
func wantRight(t *testing.T, f *results.File) {
	t.Helper()
	byRegion := scans(f)
	for _, region := range []string{"vmalloc", "kernel-data", "kernel-bss", "data", "bss", "64MiB", "directmap"} {
		r := byRegion[region+", 1003 blocks"]
		if p, c := value(t, r, "precision"), value(t, r, "recall"); p != 1 || c != 1 {
			t.Errorf("%s on %s: precision %v, recall %v", region, setting(t, f, "kernel"), p, c)
		}
	}
}

// recordedLatency is the file that README.md's table is made from.
const recordedLatency = "../../results/recorded/latency.txt"

// A scan is as fast as README.md says, whatever the number of blocks. All figures
// are numbers of instructions and exact.
func TestLatency(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	kprofBench(t, "run", "--only", "latency", "--out", out).
		must(t, 0, []string{"\nPASS: 20 checks held"}, []string{"time scans of 1GiB for 100000 blocks\n"})
	f := readFile(t, out)
	got := scans(f)
	for _, most := range []struct {
		row, unit string
		value     float64
	}{
		{"64MiB, 10 blocks", "insn/word", 2.7},
		{"64MiB, 1000 blocks", "insn/word", 2.7},
		{"1GiB, 100000 blocks", "insn/word", 2.72},
		{"64MiB, 10 blocks", "loop-insn/word", 2.55},
		{"64MiB, 1000 blocks", "loop-insn/word", 2.55},
		{"64MiB, 100000 blocks", "loop-insn/word", 2.55},
		{"64MiB, 100000 blocks", "insn/op", 44e6},
		{"64MiB, 100000 blocks", "whole-insn/op", 70e6},
		{"64MiB, 100000 blocks", "insn/line", 245},
		{"4KiB, 0 blocks", "insn/op", 400e3},
	} {
		if v := value(t, got[most.row], most.unit); !(v > 0 && v <= most.value) {
			t.Errorf("%s: %v %s, %v at the most are wanted", most.row, v, most.unit, most.value)
		}
	}
	wantRecordedScans(t, f)
}

// wantRecordedScans fails if what README.md shows is not what is measured.
func wantRecordedScans(t *testing.T, f *results.File) {
	t.Helper()
	was, got := readFile(t, recordedLatency), scans(f)
	if !sameSetting(t, was, f) {
		return
	}
	for name, r := range scans(was) {
		for _, unit := range []string{"insn/op", "whole-insn/op"} {
			// Interrupts fall where they like.
			if was, is := value(t, r, unit), value(t, got[name], unit); is > 1.02*was || was > 1.02*is {
				t.Errorf("%s: %v %s, recorded are %v; has make record been forgotten?", name, is, unit, was)
			}
		}
	}
}

// README.md's table and figures are those of the recorded file.
func TestReadmeShowsTheRecordedScans(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	recorded := scans(readFile(t, recordedLatency))
	row := func(region, blocks string) results.Row { return recorded[region+", "+blocks+" blocks"] }
	for _, region := range []string{"4KiB", "64KiB", "1MiB", "64MiB", "1GiB"} {
		line := "| " + strings.Replace(strings.Replace(strings.Replace(region, "K", " K", 1), "M", " M", 1), "G", " G", 1)
		for _, blocks := range []string{"0", "10", "1000", "100000"} {
			line += fmt.Sprintf(" | %.2f", value(t, row(region, blocks), "insn/op")/1e6)
		}
		if !strings.Contains(string(text), line+" |\n") {
			t.Errorf("README.md lacks the line %s |", line)
		}
	}
	r := row("64MiB", "100000")
	for _, words := range []string{
		fmt.Sprintf("that is %.2f instructions", value(t, r, "loop-insn/word")),
		fmt.Sprintf("takes %.0f instructions", value(t, r, "insn/line")),
		fmt.Sprintf("take %.0f million", value(t, r, "whole-insn/op")/1e6),
	} {
		if !strings.Contains(strings.ReplaceAll(string(text), "\n", " "), words) {
			t.Errorf("README.md does not say %q", words)
		}
	}
}
