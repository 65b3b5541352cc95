// SPDX-License-Identifier: MIT

package explain

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Places of the functions in handmade traces.
const (
	user  = 0x400000
	start = 0xffffffff81000000
	far   = 0x1000 // from one function to the next
)

// names are the kernel's functions, and then those of a module.
var names = []string{"entry", "caller", "function", "helper", "return_trampoline", "thunk", "asm_exc_page_fault", "asm_sysvec_timer", "handler"}

const module = 0xffffffffc0000000

func symbols(t *testing.T) *Symbols {
	t.Helper()
	kernel := Area{Start: start, End: start + far*uint64(len(names))}
	for i, n := range names {
		kernel.Symbols = append(kernel.Symbols, Symbol{Name: n, Address: start + far*uint64(i), Global: true})
	}
	s, err := NewSymbols(kernel,
		Area{Start: module, End: module + far, Module: "profiler", Symbols: []Symbol{{Name: "enter", Address: module}, {Name: "leave", Address: module + 0x100}}},
		Area{Start: module + 2*far, End: module + 3*far, Module: "ftrace_trampoline(handler)"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// place is the address of a word like function+5.
func place(word string) uint64 {
	name, rest, _ := strings.Cut(word, "+")
	var offset uint64
	fmt.Sscanf(rest, "%v", &offset)
	switch i := slices.Index(names, name); {
	case i >= 0:
		return start + far*uint64(i) + offset
	case name == "enter":
		return module + offset
	case name == "leave":
		return module + 0x100 + offset
	case name == "ftrace":
		return module + 2*far + offset
	case name == "user":
		return user + offset
	}
	panic("no place " + word)
}

// kinds are words for what instructions do. A target follows if it is part of one.
var kinds = map[string]kind{
	"": plain, "call": call, "ret": ret, "jump": jump, "branch": branch, "syscall": systemCall, "sysret": systemRet, "iret": interruptRet,
	"rdtsc": readTicks,
}

// trace makes instructions of lines "PLACE [KIND [TARGET]]". All are of 2 bytes.
func trace(text string) []*Insn {
	var steps []*Insn
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		i := &Insn{PC: place(words[0]), Size: 2}
		if len(words) > 1 {
			i.kind = kinds[words[1]]
		}
		if len(words) > 2 {
			i.target = place(words[2])
		}
		steps = append(steps, i)
	}
	return steps
}

// folded has the paths of a tree with their own instructions.
func folded(n *Node) string {
	var text []string
	n.visit(nil, func(path []string, n *Node) {
		if n.Self != 0 {
			text = append(text, fmt.Sprintf("%s %d", strings.Join(path[1:], ";"), n.Self))
		}
	})
	slices.Sort(text)
	return strings.Join(text, "\n")
}

func TestCount(t *testing.T) {
	for name, c := range map[string]struct{ trace, want string }{
		"a system call": {`
			user
			user+2 syscall
			entry
			entry+2 call caller
			caller
			caller+2 ret
			entry+4 sysret
			user+4`, `
			 3
			entry 3
			entry;caller 2`},
		"a call by register and one that is recursive": {`
			user syscall
			entry call
			function call function
			function ret
			function+2 ret
			entry+2 sysret
			user+2`, `
			 2
			entry 2
			entry;function 2
			entry;function;function 1`},
		"a function that ends in another": {`
			user syscall
			entry call caller
			caller jump function
			function branch function+10
			function+10 ret
			entry+2`, `
			 1
			entry 2
			entry;caller 1
			entry;function 2`},
		"the code behind a function belongs to the next": {`
			user syscall
			entry+4094
			caller
			caller+2`, `
			 1
			entry 1
			caller 2`},
		"a thunk for an indirect call": {`
			user syscall
			entry call thunk
			thunk call thunk+10
			thunk+10
			thunk+12 ret
			function
			function+2 ret
			entry+2`, `
			 1
			entry 2
			entry;thunk 3
			entry;function 2`},
		"a probe in the way of ftrace, which sends the return to a trampoline": {`
			user syscall
			entry call function
			function call ftrace
			ftrace call enter
			enter
			enter+2 ret
			ftrace+2 ret
			function+2
			function+4 ret
			return_trampoline call leave
			leave ret
			return_trampoline+2 ret
			entry+2`, `
			 1
			entry 2
			entry;function 3
			entry;function;ftrace_trampoline(handler) 2
			entry;function;ftrace_trampoline(handler);enter [profiler] 2
			entry;return_trampoline 2
			entry;return_trampoline;leave [profiler] 1`},
		"a probe that jumps back, and has changed where the function returns to": {`
			user syscall
			entry call function
			function call enter
			enter
			enter+2 jump
			function+2
			function+4 ret
			leave call leave+10
			leave+10
			leave+12 ret
			entry+2`, `
			 1
			entry 2
			entry;function 3
			entry;function;enter [profiler] 2
			entry;leave [profiler] 3`},
		"an interrupt": {`
			user syscall
			entry
			asm_sysvec_timer call handler
			handler ret
			asm_sysvec_timer+2 iret
			entry+2
			entry+4`, `
			 1
			entry 3
			entry;asm_sysvec_timer 2
			entry;asm_sysvec_timer;handler 1`},
		"an interrupt where a register says where to go": {`
			user syscall
			entry jump
			asm_sysvec_timer iret
			caller`, `
			 1
			entry 1
			entry;asm_sysvec_timer 1
			caller 1`},
		"a return that nobody waits for": {`
			user syscall
			entry ret
			caller ret
			function`, `
			 1
			entry 1
			caller 1
			function 1`},
		"code without a name": {`
			user syscall
			ftrace+8192`, `
			 1
			[unknown] 1`},
	} {
		t.Run(name, func(t *testing.T) {
			steps := trace(c.trace)
			root := Count(steps, symbols(t))
			if got := root.Total(); got != len(steps) {
				t.Errorf("%d instructions are in the tree, %d were executed", got, len(steps))
			}
			want := strings.Split(strings.TrimPrefix(strings.ReplaceAll(c.want, "\t", ""), "\n"), "\n")
			slices.Sort(want)
			if diff := cmp.Diff(strings.Join(want, "\n"), folded(root)); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRounds(t *testing.T) {
	steps := trace(`
		handler
		user rdtsc
		user+2
		user+4 rdtsc
		user+6 syscall
		entry rdtsc
		entry+2 sysret
		user+8
		user+10 rdtsc
		user+4 rdtsc
		user+6
		user+10 rdtsc
		user+12`)
	rounds, err := Rounds(steps, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(rounds) != 2 || len(rounds[0]) != 5 || len(rounds[1]) != 2 || rounds[0][0].PC != user+6 {
		t.Errorf("rounds %v", rounds)
	}
	if _, err := Rounds(steps[:len(steps)-2], 2); err == nil || !strings.Contains(err.Error(), "4 times by user space, and 2 rounds read it 5 times") {
		t.Errorf("without the last reading: %v", err)
	}
}

// An instruction that faults has not been executed, but one before code that could not
// be read has.
func TestWithoutFaulted(t *testing.T) {
	const handled = `
		asm_exc_page_fault
		asm_exc_page_fault+2 iret
	`
	for name, c := range map[string]struct {
		trace   string
		without int // the step that is left out, or none below 0
	}{
		"data of user space":                  {"user\nuser+2" + handled + "user+2\nuser+4", 1},
		"data of user space, in the kernel":   {"entry\nentry+2" + handled + "handler\nuser", 1},
		"code of user space":                  {"user\nuser+2 jump" + handled + "user+4096", -1},
		"code of user space, after a call":    {"entry sysret" + handled + "user", -1},
		"code of user space, after another":   {"entry iret" + handled + "user", -1},
		"an interrupt":                        {"user\nasm_sysvec_timer iret\nuser+2", -1},
		"data of user space, to the very end": {"user\nuser+2" + handled, 1},
	} {
		steps := trace(c.trace)
		want := steps
		if c.without >= 0 {
			want = slices.Delete(slices.Clone(steps), c.without, c.without+1)
		}
		if left := WithoutFaulted(steps, symbols(t)); !slices.Equal(left, want) {
			t.Errorf("%s: %d instructions are left, want %d", name, len(left), len(want))
		}
	}
}

func TestSymbols(t *testing.T) {
	s, err := NewSymbols(
		Area{Start: start, End: start + 100, Symbols: []Symbol{
			{Name: "__ia32_sys_getpid", Address: start, Global: true}, {Name: "__pfx_sys", Address: start}, {Name: "__do_sys_getpid", Address: start},
			{Name: "__pi_sys", Address: start, Global: true}, {Name: "__x64_sys_getpid", Address: start, Global: true}, {Name: "sized", Address: start + 10, Size: 5}, {Name: ".Llabel", Address: start + 12},
		}},
		Area{Start: module, End: module + 10, Module: "profiler", Symbols: []Symbol{{Name: "enter", Address: module + 2}}},
		Area{Start: module + 10, End: module + 20, Module: "page"})
	if err != nil {
		t.Fatal(err)
	}
	for pc, want := range map[uint64]string{
		user: UserSpace, start: "__x64_sys_getpid", start + 9: "__x64_sys_getpid", start + 12: "sized", start + 15: unknown, start + 100: unknown,
		module: "[unknown] [profiler]", module + 9: "enter [profiler]", module + 10: "page", module + 20: unknown, start - 1: unknown,
	} {
		if got := s.Name(pc); got != want {
			t.Errorf("%#x is in %s, want %s", pc, got, want)
		}
	}
	if _, err := NewSymbols(Area{Start: 10, End: 20}, Area{Start: 15, End: 30, Module: "m"}); err == nil || !strings.Contains(err.Error(), "m at 0xf overlaps") {
		t.Errorf("areas that overlap: %v", err)
	}
}
