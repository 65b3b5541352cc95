// SPDX-License-Identifier: MIT

// Package explain tells where the instructions of a call go, by function and by
// path of calls, from an emulator's log of every instruction that was executed.
//
// [Parser] reads QEMU's log (-d exec,nochain,in_asm with one instruction in each
// block of translated code), [Rounds] cuts out what was timed, and [Count] makes a
// tree of it: who called whom, and how many instructions each executed itself. Two
// trees are subtracted by [Diff], which is exact: what [Node.Total] says of the
// difference is the difference of the totals. A [Table] has it by function; a tree
// can also be written as folded stacks and drawn as a flame graph.
//
// The package knows nothing of guests; addresses get their names from [Symbols].
package explain
