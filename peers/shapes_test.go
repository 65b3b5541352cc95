// SPDX-License-Identifier: MIT

package peers

import (
	"slices"
	"testing"
)

func TestJudgeShapes(t *testing.T) {
	for name, c := range map[string]struct {
		s    Shaped
		want bool
	}{
		"all counted and timed":     {Shaped{Issued: 10, Counted: 10, Timed: 10, Truth: []float64{1000}, Reported: []float64{1170}, Plain: 165, Durable: true}, true},
		"two percent off":           {Shaped{Issued: 10, Counted: 10, Timed: 10, Truth: []float64{1000}, Reported: []float64{1185}, Plain: 165, Durable: true}, true},
		"three percent off":         {Shaped{Issued: 10, Counted: 10, Timed: 10, Truth: []float64{1000}, Reported: []float64{1195}, Plain: 165, Durable: true}, false},
		"half":                      {Shaped{Issued: 10, Counted: 10, Timed: 10, Truth: []float64{1000}, Reported: []float64{500}, Durable: true}, false},
		"half, once of twice":       {Shaped{Issued: 10, Counted: 10, Timed: 10, Truth: []float64{1000, 1000}, Reported: []float64{1000, 500}, Durable: true}, false},
		"a tick, once of thrice":    {Shaped{Issued: 10, Counted: 10, Timed: 10, Truth: []float64{1000, 1000, 1000}, Reported: []float64{1000, 1300, 1000}, Durable: true}, true},
		"a call not counted":        {Shaped{Issued: 10, Counted: 9, Timed: 9, Truth: []float64{1000}, Reported: []float64{1000}, Durable: true}, false},
		"a call not timed":          {Shaped{Issued: 10, Counted: 10, Timed: 9, Truth: []float64{1000}, Reported: []float64{1000}, Durable: true}, false},
		"short, and some insn off":  {Shaped{Issued: 10, Counted: 10, Timed: 10, Truth: []float64{50}, Reported: []float64{59}, Durable: true}, true},
		"counts only":               {Shaped{Issued: 10, Counted: 10}, true},
		"counts only, one too many": {Shaped{Issued: 10, Counted: 11}, false},
	} {
		if c.s.judge(); c.s.Correct != c.want {
			t.Errorf("%s: correct is %v", name, c.s.Correct)
		}
	}
}

func TestJudgeLeaks(t *testing.T) {
	leaking := map[uint64]bool{1: true, 2: true, 3: false, 4: false}
	var l Leaks
	if l.judge([]uint64{1, 3, 99}, leaking); l.Named != 2 || l.Precision() != 0.5 || l.Recall() != 0.5 {
		t.Errorf("%+v: precision %v, recall %v", l, l.Precision(), l.Recall())
	}
}

// The report is as in Documentation/dev-tools/kmemleak.rst.
func TestKmemleak(t *testing.T) {
	pages, err := parseKmemleak(`unreferenced object 0xffffc90000a45000 (size 4096):
  comm "init", pid 1, jiffies 4294894651 (age 33.5s)
  hex dump (first 32 bytes):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace:
    [<ffffffff811d5f2b>] __vmalloc_node_range+0x4cb/0x5b0
unreferenced object 0xffff8881012c4008 (size 96):
`)
	if want := []uint64{0xffffc90000a45, 0xffff8881012c4}; err != nil || !slices.Equal(pages, want) {
		t.Errorf("pages are %x, %v, want %x", pages, err, want)
	}
	if pages, err := parseKmemleak(""); err != nil || len(pages) > 0 {
		t.Errorf("an empty report names %x, %v", pages, err)
	}
	if _, err := parseKmemleak("unreferenced object 0xnonsense (size 1):\n"); err == nil {
		t.Error("an address that is none is no error")
	}
}

func TestJudgeMigrations(t *testing.T) {
	const took = migrations * 1000 // ns, of all calls
	for name, c := range map[string]struct {
		r    Reading
		want bool
	}{
		"right":                {Reading{Calls: 201, Timed: 201, TotalNs: 201 * 900}, true},
		"longer than it was":   {Reading{Calls: 201, Timed: 201, TotalNs: 201 * 1900}, false},
		"not timed":            {Reading{Calls: 201}, false},
		"a call fewer":         {Reading{Calls: 200, Timed: 200, TotalNs: 200 * 900}, false},
		"one without duration": {Reading{Calls: 201, Timed: 200, TotalNs: 200 * 900}, false},
	} {
		s := Shaped{Issued: 201, Durable: true}
		if s.judgeMigration(c.r, took); s.Correct != c.want {
			t.Errorf("%s: correct is %v", name, s.Correct)
		}
	}
}
