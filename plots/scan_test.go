// SPDX-License-Identifier: MIT

package plots

import (
	"errors"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"

	"github.com/google/go-cmp/cmp"
)

const scanEnv = "kernel: 6.1\nclock: icount\n"

func scanRow(region, blocks, took string) string {
	return "BenchmarkLeakScan/region=" + region + "/blocks=" + blocks + "  1  " + took + " insn/op  900 whole-insn/op\n"
}

func TestScanLines(t *testing.T) {
	var s Scan
	// Not in order, with samples, and with rows of other experiments.
	for _, text := range []string{
		scanRow("1GiB", "10", "900") + scanRow("4KiB", "100000", "50") + scanRow("4KiB", "10", "20") +
			"BenchmarkLeakScan/region=bss/blocks=1003 1 5 insn/op\nBenchmarkProbe/func=f 1 2 overhead-insn/op\n",
		scanRow("4KiB", "10", "40") + scanRow("64KiB", "0", "7"),
	} {
		if err := s.Add(file(t, scanEnv+text)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[float64]plotter.XYs{
		0: {{X: 65536, Y: 7}}, 10: {{X: 4096, Y: 30}, {X: 1 << 30, Y: 900}}, 100_000: {{X: 4096, Y: 50}},
	}
	last := -1.0
	for _, l := range s.lines {
		if l.blocks <= last {
			t.Errorf("%v blocks come after %v", l.blocks, last)
		}
		last = l.blocks
		if diff := cmp.Diff(want[l.blocks], l.points()); diff != "" {
			t.Errorf("%v blocks (-want +got):\n%s", l.blocks, diff)
		}
	}
	if len(s.lines) != len(want) {
		t.Errorf("%d lines, want %d", len(s.lines), len(want))
	}
	first, err := s.Draw(SVG)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{">no block<", ">10 blocks<", ">100,000 blocks<", ">4 KiB<", ">1 GiB<", ">1,000<", "insn (logarithmic)<", ">kernel 6.1 · clock icount<"} {
		if !strings.Contains(string(first), text) {
			t.Errorf("%s is not in the chart", text)
		}
	}
	if second, _ := s.Draw(SVG); string(second) != string(first) {
		t.Error("two charts of the same results differ")
	}
}

func TestScanRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"no timed scans": {"BenchmarkLeakScan/region=bss/blocks=3 1 5 insn/op\n", ErrNoScans.Error()},
		"no size":        {scanRow("bss", "3", "5"), `"bss" has no size`},
		"size of 0":      {scanRow("0KiB", "3", "5"), `"0KiB" has no size`},
		"no number":      {scanRow("4KiB", "many", "5"), `no time of a scan for "many" blocks`},
		"no time":        {scanRow("4KiB", "3", "0"), "0 insn is no time"},
	} {
		t.Run(name, func(t *testing.T) {
			var s Scan
			if err := s.Add(file(t, scanEnv+test.text)); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %q", err, test.says)
			}
		})
	}
	var s Scan
	if _, err := s.Draw(SVG); !errors.Is(err, ErrNoScans) {
		t.Errorf("an empty chart: %v", err)
	}
	for _, blocks := range []string{"1", "2", "3", "4", "5"} {
		if err := s.Add(file(t, scanEnv+scanRow("4KiB", blocks, "5"))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Draw(SVG); err == nil || !strings.Contains(err.Error(), "5 numbers of blocks are more than the 4") {
		t.Errorf("more lines than can be told apart: %v", err)
	}
}
