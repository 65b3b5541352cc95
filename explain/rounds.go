// SPDX-License-Identifier: MIT

package explain

import "fmt"

// Rounds returns what was executed in each of n rounds, from behind the reading of
// the time stamp counter that begins it to the one that ends it, as user space
// makes them. On a clock that counts instructions the difference of both readings
// is the length. Before them there is another reading.
func Rounds(steps []*Insn, n int) ([][]*Insn, error) {
	var at []int
	for i, s := range steps {
		if s.kind == readTicks && s.inUserSpace() {
			at = append(at, i)
		}
	}
	if len(at) != 2*n+1 {
		return nil, fmt.Errorf("the trace has the clock read %d times by user space, and %d rounds read it %d times", len(at), n, 2*n+1)
	}
	var rounds [][]*Insn
	for i := range n {
		rounds = append(rounds, steps[at[2*i+1]+1:at[2*i+2]+1])
	}
	return rounds, nil
}

// faults are the entries for exceptions that an instruction raises before it has
// done anything. It is executed once more, or never.
var faults = []string{
	"asm_exc_page_fault", "asm_exc_general_protection", "asm_exc_invalid_op", "asm_exc_device_not_available",
	"asm_exc_divide_error", "asm_exc_bounds", "asm_exc_stack_segment", "asm_exc_segment_not_present", "asm_exc_invalid_tss",
	"asm_exc_coprocessor_error", "asm_exc_simd_coprocessor_error", "asm_exc_alignment_check", "asm_exc_control_protection",
}

// WithoutFaulted leaves out the instructions that raised a fault, which the clock
// has not counted.
func WithoutFaulted(steps []*Insn, s *Symbols) []*Insn {
	entries := map[uint64]bool{}
	for _, name := range faults {
		if at, ok := s.addressOf(name); ok {
			entries[at] = true
		}
	}
	var left []*Insn
	for i, step := range steps {
		if i+1 == len(steps) || !entries[steps[i+1].PC] || fetchFaulted(steps[i:]) {
			left = append(left, step)
		}
	}
	return left
}

// fetchFaulted tells whether the first of the steps has done its work, and the next
// instruction is one that could not be read. Only those of user space may be missing.
func fetchFaulted(steps []*Insn) bool {
	first := steps[0]
	if !first.inUserSpace() {
		return first.kind == systemRet || first.kind == interruptRet
	}
	for _, s := range steps[1:] {
		if s.inUserSpace() {
			return s.PC != first.PC
		}
	}
	return false
}
