// SPDX-License-Identifier: MIT

package counters

import (
	"slices"

	"github.com/cilium/ebpf/asm"
)

// Where the fields of a function's Count lie in the map.
const (
	callsOffset = 8 * iota
	ownOffset
	timedOffset
	totalOffset
	countBytes
)

// mostOngoing is how many calls can go on at the same time and still be timed.
const mostOngoing = 4096

// generations of processes count as those of their ancestor: its children and
// theirs.
const generations = 2

// program makes the programs of one function.
type program struct {
	index          int // of its count in the map
	counts, starts int // descriptors of the maps
	ancestor
}

// ancestor is the process whose descendants' calls are a program's own. The kernel's
// tasks have a pointer to the one that made them, and the id of their process.
type ancestor struct {
	pid             int32
	parentOffset    int32
	processIDOffset int32
}

// entry is the program at the entry of a function: it counts the call and, when
// calls are timed, notes the time last of all, so that nothing of the program but
// its end is in what the call is found to take.
func (p program) entry(timed bool) asm.Instructions {
	body := []asm.Instructions{
		{asm.Mov.Reg(asm.R6, asm.R1)},
		p.add(callsOffset),
		p.descends("own"),
		label("own", p.add(ownOffset)),
	}
	if timed {
		body = append(body, p.noteStart())
	}
	return slices.Concat(append(body, exit())...)
}

func (p program) noteStart() asm.Instructions {
	return slices.Concat(
		p.storeKey(),
		asm.Instructions{asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, valueOffset, asm.R1, asm.DWord)},
		p.onStart(asm.FnMapUpdateElem),
		p.onStart(asm.FnMapLookupElem),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, exitLabel), // there is no room
			asm.Mov.Reg(asm.R6, asm.R0),
			asm.FnKtimeGetNs.Call(),
			asm.StoreMem(asm.R6, 0, asm.R0, asm.DWord),
		})
}

// leave is the program at the return of a function. It asks for the time first.
func (p program) leave() asm.Instructions {
	return slices.Concat(
		asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1), asm.FnKtimeGetNs.Call(), asm.Mov.Reg(asm.R7, asm.R0)},
		p.storeKey(),
		p.onStart(asm.FnMapLookupElem),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, exitLabel), // none of its own, or entered too early
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
			asm.Sub.Reg(asm.R7, asm.R1),
		},
		p.onStart(asm.FnMapDeleteElem),
		p.add(timedOffset),
		asm.Instructions{
			asm.LoadMapValue(asm.R1, p.counts, p.field(totalOffset)),
			asm.AddAtomic.Mem(asm.R1, asm.R7, asm.DWord, 0),
		},
		exit())
}

func (p program) field(offset int) uint32 { return uint32(p.index*countBytes + offset) }

// add adds 1 to a field, whichever processor it runs on.
func (p program) add(offset int) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapValue(asm.R1, p.counts, p.field(offset)),
		asm.Mov.Imm(asm.R2, 1),
		asm.AddAtomic.Mem(asm.R1, asm.R2, asm.DWord, 0),
	}
}

// descends goes to label if the running process descends from the ancestor, and
// else ends the program.
func (p program) descends(label string) asm.Instructions {
	code := asm.Instructions{asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R7, asm.R0)}
	for range generations {
		code = append(code, readKernel(asm.R7, asm.R7, p.parentOffset, asm.DWord)...)
		code = append(code, readKernel(asm.R1, asm.R7, p.processIDOffset, asm.Word)...)
		code = append(code, asm.JEq.Imm(asm.R1, p.pid, label))
	}
	return append(code, asm.Ja.Label(exitLabel))
}

// Scratch on the programs' stack.
const (
	keyOffset   = -8
	valueOffset = -16
)

// readKernel reads what the kernel has at an offset from an address.
func readKernel(to, base asm.Register, offset int32, size asm.Size) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, valueOffset),
		asm.Mov.Imm(asm.R2, int32(size.Sizeof())),
		asm.Mov.Reg(asm.R3, base), asm.Add.Imm(asm.R3, offset),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMem(to, asm.RFP, valueOffset, size),
	}
}

// storeKey makes a key of the address in R6, where the arguments of a call are
// stored. It is the same for the programs at entry and at return, and another for
// every call that goes on, however deep a function calls itself, sleeps or is
// interrupted by a call of it. Verifiers of old take no address for a key, but
// the difference of two.
func (p program) storeKey() asm.Instructions {
	return asm.Instructions{
		asm.LoadMapValue(asm.R1, p.counts, 0),
		asm.Sub.Reg(asm.R6, asm.R1),
		asm.StoreMem(asm.RFP, keyOffset, asm.R6, asm.DWord),
	}
}

// onStart calls a function for the key in the map of calls that go on.
func (p program) onStart(function asm.BuiltinFunc) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, p.starts),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, keyOffset),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, valueOffset),
		asm.Mov.Imm(asm.R4, 0),
		function.Call(),
	}
}

const exitLabel = "exit"

func exit() asm.Instructions {
	return label(exitLabel, asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()})
}

func label(name string, code asm.Instructions) asm.Instructions {
	code[0] = code[0].WithSymbol(name)
	return code
}
