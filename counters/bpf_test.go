// SPDX-License-Identifier: MIT

package counters

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
)

var testProgram = program{index: 2, counts: 5, starts: 6, ancestor: ancestor{pid: 42, parentOffset: 100, processIDOffset: 200}}

// All that programs refer to is there: labels, and opcodes that the kernel has. Its
// verifier sees them in guests only: it would put them at functions of this machine.
func TestProgramsAreComplete(t *testing.T) {
	for name, code := range map[string]asm.Instructions{
		"entry": testProgram.entry(false), "timed entry": testProgram.entry(true), "return": testProgram.leave(),
	} {
		var b bytes.Buffer
		if err := code.Marshal(&b, binary.LittleEndian); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if last := code[len(code)-1]; last.OpCode.JumpOp() != asm.Exit {
			t.Errorf("%s ends in %v", name, last)
		}
	}
}

// calls are the functions that a program calls, in order.
func calls(code asm.Instructions) []asm.BuiltinFunc {
	var all []asm.BuiltinFunc
	for _, ins := range code {
		if ins.IsBuiltinCall() {
			all = append(all, asm.BuiltinFunc(ins.Constant))
		}
	}
	return all
}

// What looking up takes is no part of a call: the time is asked for last at the
// entry and first at the return.
func TestTimeIsAskedForNextToTheFunction(t *testing.T) {
	who := []asm.BuiltinFunc{
		asm.FnGetCurrentTask, asm.FnProbeReadKernel, asm.FnProbeReadKernel, asm.FnProbeReadKernel, asm.FnProbeReadKernel,
	}
	if diff := cmp.Diff(who, calls(testProgram.entry(false))); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	want := append(who, asm.FnMapUpdateElem, asm.FnMapLookupElem, asm.FnKtimeGetNs)
	if diff := cmp.Diff(want, calls(testProgram.entry(true))); diff != "" {
		t.Errorf("timed entry (-want +got):\n%s", diff)
	}
	want = []asm.BuiltinFunc{asm.FnKtimeGetNs, asm.FnMapLookupElem, asm.FnMapDeleteElem}
	if diff := cmp.Diff(want, calls(testProgram.leave())); diff != "" {
		t.Errorf("return (-want +got):\n%s", diff)
	}
}

// Fields are written where Counts reads them.
func TestFieldsOfCounts(t *testing.T) {
	words := make([]uint64, 3*countBytes/8)
	for i, offset := range []int{callsOffset, ownOffset, timedOffset, totalOffset} {
		words[testProgram.field(offset)/8] = uint64(i + 1)
	}
	if diff := cmp.Diff([]Count{{}, {}, {Calls: 1, Own: 2, Timed: 3, TotalNs: 4}}, Counts(words)); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestPlus(t *testing.T) {
	if got := (Count{1, 2, 3, 4}).Plus(Count{10, 20, 30, 40}); got != (Count{11, 22, 33, 44}) {
		t.Errorf("the sum is %+v", got)
	}
}
