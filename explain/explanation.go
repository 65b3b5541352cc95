// SPDX-License-Identifier: MIT

package explain

import (
	"fmt"
	"math"
	"strconv"
)

// Explanation is where the instructions go that a probe adds to a function's call.
type Explanation struct {
	Func    string
	Backend string
	// Calls is how often the function is called in what was traced, by which all
	// numbers of instructions are to be divided.
	Calls int
	// Base and Probed are what was executed without the probe and with it.
	Base, Probed *Node
	// Measured is what the probe adds to a call, timed and not traced, and
	// MeasuredBase what a call takes without it.
	Measured, MeasuredBase float64
	// Unusual says what is known to be wrong with the traces, such as that none is
	// of a call that took what it usually takes; or nothing.
	Unusual string
}

// Name says what is explained.
func (e *Explanation) Name() string { return e.Func + " by " + e.Backend }

// Sum is what the probe adds to a call, by the traces.
func (e *Explanation) Sum() float64 {
	return perCall(e.Probed.Total()-e.Base.Total(), e.Calls)
}

// Diff is what the probe adds, by path.
func (e *Explanation) Diff() *Node { return Diff(e.Base, e.Probed) }

// Check returns an error with both numbers when the instructions that were traced do
// not come to what was measured.
func (e *Explanation) Check() error {
	err := checkSum(e.Name(), e.Sum(), e.Measured)
	if err == nil {
		err = checkSum(e.Func+" without a probe", perCall(e.Base.Total(), e.Calls), e.MeasuredBase)
	}
	if err != nil && e.Unusual != "" {
		err = fmt.Errorf("%w: %s", err, e.Unusual)
	}
	return err
}

func checkSum(name string, sum, measured float64) error {
	if round3(sum) == round3(measured) {
		return nil
	}
	return fmt.Errorf("%s: the sum of what was traced is %s insn in a call, and measured are %s", name, number(sum), number(measured))
}

// Table has the instructions without the probe and with it, by function.
func (e *Explanation) Table() *Table {
	t := &Table{Name: e.Name(), Columns: [2]string{"base", "probed"}, Calls: e.Calls, Measured: e.Measured}
	t.fill(functions(e.Base), functions(e.Probed))
	return t
}

// Between is where two revisions of a probe differ.
type Between struct {
	Old, New         *Explanation
	OldName, NewName string
}

// Sum is what the new one adds to a call more than the old one, by the traces.
func (b *Between) Sum() float64 { return b.New.Sum() - b.Old.Sum() }

// Measured is the same as it was timed.
func (b *Between) Measured() float64 { return b.New.Measured - b.Old.Measured }

// Diff is what the new one adds more, by path.
func (b *Between) Diff() *Node { return Diff(b.Old.Diff(), b.New.Diff()) }

// Check is [Explanation.Check] of both and of the difference.
func (b *Between) Check() error {
	if err := b.Old.Check(); err != nil {
		return fmt.Errorf("%s: %w", b.OldName, err)
	}
	if err := b.New.Check(); err != nil {
		return fmt.Errorf("%s: %w", b.NewName, err)
	}
	return checkSum(b.New.Name()+", "+b.OldName+" to "+b.NewName, b.Sum(), b.Measured())
}

// Table has what each revision adds to a call, by function.
func (b *Between) Table() *Table {
	t := &Table{Name: b.New.Name(), Columns: [2]string{b.OldName, b.NewName}, Calls: b.New.Calls, Measured: b.Measured()}
	t.fill(functions(b.Old.Diff()), functions(b.New.Diff()))
	return t
}

func functions(n *Node) map[string]int {
	all := map[string]int{}
	n.byFunction(all)
	return all
}

func perCall(insns, calls int) float64 { return float64(insns) / float64(max(calls, 1)) }

// number writes a number of instructions, which is whole but where a round of a
// workload has several calls.
func number(v float64) string { return strconv.FormatFloat(round3(v), 'f', -1, 64) }

func round3(v float64) float64 { return math.Round(v*1000) / 1000 }
