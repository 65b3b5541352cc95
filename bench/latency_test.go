// SPDX-License-Identifier: MIT

package bench

import (
	"testing"

	"kprof-bench/kmod"
	"kprof-bench/results"

	"github.com/google/go-cmp/cmp"
)

func TestTimedScanRow(t *testing.T) {
	// 4096 bytes are 78 10/13 lines of 52; the other 922 3/13 took 250 each. There
	// are 512 words, each of which took 10 of all, and 2.5 in the loop.
	s := timedScan{
		region: kmod.Region{Start: 1 << 40, End: 1<<40 + 4096}, blocks: 1000, live: 1001, words: 512,
		first: []float64{5120, 5120, 9000}, loop: []float64{1280, 1000, 2000},
		whole: []float64{5120 + 922.230769231*250, 0, 1e9},
	}
	want := results.Row{
		Name:   "LeakScan",
		Params: []results.Param{{Key: "region", Value: "4KiB"}, {Key: "blocks", Value: "1000"}},
		Iters:  3,
		Values: []results.Value{
			{V: 5120, Unit: "insn/op"}, {V: 235677.692, Unit: "whole-insn/op"}, {V: 10, Unit: "insn/word"},
			{V: 2.5, Unit: "loop-insn/word"}, {V: 250, Unit: "insn/line"},
		},
	}
	if diff := cmp.Diff(want, s.row()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Without blocks nothing is read and there are no lines.
	s.live, s.words, s.blocks = 0, 0, 0
	if n := len(s.row().Values); n != 2 {
		t.Errorf("%d values, want those of the two times", n)
	}
}

func TestTimedScanCheck(t *testing.T) {
	whole := kmod.Region{Start: 0, End: 1 << 20}
	for name, test := range map[string]struct {
		scan timedScan
		want Verdict
	}{
		"all words":            {timedScan{region: whole, blocks: 10, live: 10, words: 1 << 17}, Held},
		"blocks of the kernel": {timedScan{region: whole, blocks: 10, live: 11, words: 1 << 17}, Held},
		"a word is left out":   {timedScan{region: whole, blocks: 10, live: 10, words: 1<<17 - 1}, Failed},
		"a block is missing":   {timedScan{region: whole, blocks: 10, live: 9, words: 1 << 17}, Failed},
		"nothing to look for":  {timedScan{region: whole}, Held},
		"nothing is read":      {timedScan{region: whole, blocks: 10, live: 10}, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.scan.check(); got.Verdict != test.want {
				t.Errorf("%+v, want %s", got, test.want)
			}
		})
	}
}

func TestSizeName(t *testing.T) {
	for bytes, want := range map[uint64]string{4 << 10: "4KiB", 64 << 10: "64KiB", 1 << 20: "1MiB", 64 << 20: "64MiB", 1 << 30: "1GiB"} {
		if got := sizeName(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
}
