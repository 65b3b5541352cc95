// SPDX-License-Identifier: MIT

package peers

import (
	"kprof-bench/results"
)

// Leaks is how well, and at what cost, leaks are found in one way.
type Leaks struct {
	Way     string
	Lacking string `json:",omitempty"`
	Doc     string
	Says    string // what it says of a block
	// Precision is the part of what it names that leaks, and Recall the part of the
	// leaks that it names.
	Precision, Recall float64
	Blocks            int // that it names
	Insns             []float64
}

func (l Leaks) rows() []results.Row {
	if l.Lacking != "" {
		return nil
	}
	return []results.Row{{Name: "PeerLeaks", Params: []results.Param{{Key: "way", Value: l.Way}}, Iters: len(l.Insns), Values: []results.Value{
		{V: round3(l.Precision), Unit: "precision"},
		{V: round3(l.Recall), Unit: "recall"},
		{V: median(l.Insns), Unit: "read-insn"},
	}}}
}
