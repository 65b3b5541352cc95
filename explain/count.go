// SPDX-License-Identifier: MIT

package explain

import "strings"

// Count makes a tree of what was executed, who called whom.
//
// A call begins a node below its caller's, and the return to behind it ends it. Who
// jumps to another function, at its end, is replaced by it. So is one whose return
// leads elsewhere, as that of a function does which a probe has sent to a trampoline
// of its own: the trampoline goes on where the function was, below the caller, until
// it returns to that one. Interrupts and exceptions are below what they interrupt.
// When another task goes on, so do the nodes of the first one, and what it returns
// to is not known; its functions are counted as those of the first.
func Count(steps []*Insn, s *Symbols) *Node {
	root := &Node{Name: UserSpace}
	n := nest{symbols: s, frames: []frame{{node: root}}}
	var before *Insn
	for _, i := range steps {
		n.step(before, i)
		n.top().node.Self++
		before = i
	}
	return root
}

// frame is a function that has not returned yet.
type frame struct {
	node *Node
	back uint64 // where it will return to
	// entry says that it was not called: a system call, an interrupt.
	entry bool
}

type nest struct {
	symbols *Symbols
	frames  []frame // the first is user space, and never ends
}

func (n *nest) top() *frame { return &n.frames[len(n.frames)-1] }

// step goes to an instruction from the one that was executed before.
func (n *nest) step(from, to *Insn) {
	switch {
	case from == nil:
		n.become(to)
	case from.kind == call && n.expected(from, to):
		n.push(from.next(), to, false)
	case from.kind == systemCall:
		n.push(from.next(), to, true)
	case from.kind == ret || from.kind == systemRet:
		n.returnTo(to)
	case from.kind == interruptRet:
		n.leave(to)
	case from.kind == jump && to.PC == n.top().back && len(n.frames) > 1:
		n.returnTo(to)
	case n.expected(from, to):
		n.become(to)
	default:
		n.push(to.PC, to, true)
	}
}

// expected tells whether an instruction leads to another by itself. Where it goes by
// a register only an entry tells that it did not get there.
func (n *nest) expected(from, to *Insn) bool {
	switch from.kind {
	case call, jump:
		if from.target == 0 {
			return !n.isEntry(to.PC)
		}
		return to.PC == from.target
	case branch:
		return to.PC == from.target || to.PC == from.next()
	}
	return to.PC == from.next() || to.PC == from.PC // it repeats itself
}

// isEntry tells whether the processor begins there after an interrupt or an
// exception.
func (n *nest) isEntry(pc uint64) bool {
	return n.symbols.begins(pc) && strings.HasPrefix(n.symbols.Name(pc), "asm_")
}

// push begins a function. A call into the midst of the one that calls is none of
// another: code does that to have its own address on the stack.
func (n *nest) push(back uint64, to *Insn, entry bool) {
	node, name := n.top().node, n.symbols.Name(to.PC)
	if node.Name != name || n.symbols.begins(to.PC) {
		node = node.child(name)
	}
	n.frames = append(n.frames, frame{node: node, back: back, entry: entry})
}

// become has the function that an instruction belongs to stand for the one that is
// executed.
func (n *nest) become(to *Insn) {
	name := n.symbols.Name(to.PC)
	top := n.top()
	if len(n.frames) == 1 || top.node.Name == name {
		return
	}
	top.node = n.frames[len(n.frames)-2].node.child(name)
}

// returnTo ends the functions up to the one that was to return there. If there is
// none, the return was a jump: out of a function that has called itself for that, as
// thunks for indirect branches do, or to a trampoline that a probe has put in the
// place of the caller.
func (n *nest) returnTo(to *Insn) {
	last := len(n.frames) - 1
	for i := last; i > 0; i-- {
		if n.frames[i].back == to.PC {
			n.frames = n.frames[:i]
			n.become(to)
			return
		}
	}
	if last > 1 && n.frames[last].node == n.frames[last-1].node {
		n.frames = n.frames[:last]
	}
	if len(n.frames) > 1 {
		n.become(to)
	}
}

// leave ends an interrupt, an exception or a system call, which return to where they
// came from or to what was made of that.
func (n *nest) leave(to *Insn) {
	for i := len(n.frames) - 1; i > 0; i-- {
		if n.frames[i].entry {
			n.frames = n.frames[:i]
			break
		}
	}
	n.become(to)
}
