// SPDX-License-Identifier: MIT

package kmod

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// ErrShape is wrapped by the errors of a function whose object code is not of
// the shape that its truth is computed from.
var ErrShape = errors.New("unexpected object code")

// TestbedObject is kprof_testbed.ko as a file: what its functions are made of
// is read from there, not assumed.
type TestbedObject struct {
	text   []byte
	index  elf.SectionIndex
	funcs  map[string]elf.Symbol
	relocs map[uint64]reloc // by offset of the relocated field in .text
}

type reloc struct {
	symbol string
	kind   elf.R_X86_64
}

// Length is the number of instructions that a function executes: Fixed, and
// PerN for each unit of its argument.
type Length struct {
	Fixed, PerN uint64
}

// Of returns the length for an argument.
func (l Length) Of(n uint64) uint64 {
	return l.Fixed + l.PerN*n
}

// NewTestbedObject reads the module's object file.
func NewTestbedObject(r io.ReaderAt) (*TestbedObject, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("testbed object: %w", err)
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_REL {
		return nil, fmt.Errorf("testbed object: %v %v is no x86-64 kernel module", f.Machine, f.Type)
	}
	o := &TestbedObject{funcs: map[string]elf.Symbol{}, relocs: map[uint64]reloc{}}
	if err := o.readText(f); err != nil {
		return nil, fmt.Errorf("testbed object: %w", err)
	}
	return o, nil
}

func (o *TestbedObject) readText(f *elf.File) error {
	i := slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == ".text" })
	if i < 0 {
		return errors.New("no .text")
	}
	o.index = elf.SectionIndex(i)
	var err error
	if o.text, err = f.Sections[i].Data(); err != nil {
		return err
	}
	symbols, err := f.Symbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Section == o.index {
			o.funcs[s.Name] = s
		}
	}
	rela := f.Section(".rela.text")
	if rela == nil {
		return errors.New("no .rela.text")
	}
	data, err := rela.Data()
	if err != nil {
		return err
	}
	return o.readRelocs(data, symbols)
}

// readRelocs keeps the relocations of calls and jumps, whose target is the
// symbol itself: the field is the last of its instruction, so the addend is -4.
func (o *TestbedObject) readRelocs(data []byte, symbols []elf.Symbol) error {
	const size = 24
	if len(data)%size != 0 {
		return fmt.Errorf(".rela.text of %d bytes", len(data))
	}
	for ; len(data) > 0; data = data[size:] {
		offset := binary.LittleEndian.Uint64(data)
		info := binary.LittleEndian.Uint64(data[8:])
		addend := int64(binary.LittleEndian.Uint64(data[16:]))
		symbol := info >> 32
		if symbol > uint64(len(symbols)) {
			return fmt.Errorf(".rela.text names symbol %d of %d", symbol, len(symbols))
		}
		kind := elf.R_X86_64(uint32(info))
		if symbol == 0 || addend != -4 || (kind != elf.R_X86_64_PLT32 && kind != elf.R_X86_64_PC32) {
			continue
		}
		o.relocs[offset] = reloc{symbols[symbol-1].Name, kind}
	}
	return nil
}

func (o *TestbedObject) function(name string) (start uint64, code []byte, err error) {
	s, ok := o.funcs[name]
	if !ok {
		return 0, nil, fmt.Errorf("testbed object: no function %s: %w", name, ErrShape)
	}
	if s.Value > uint64(len(o.text)) || s.Size == 0 || s.Size > uint64(len(o.text))-s.Value {
		return 0, nil, fmt.Errorf("testbed object: %s lies outside .text: %w", name, ErrShape)
	}
	return s.Value, o.text[s.Value : s.Value+s.Size], nil
}

// KnownLength counts the instructions of a leaf function: from the entry that
// ftrace patches, which is one, to the return, which is one as well. An ENDBR64
// before the entry, which a probe does not see, is not counted. A function has
// at most one loop, a DEC and a JNE on a copy of its argument.
func (o *TestbedObject) KnownLength(function string) (Length, error) {
	start, code, err := o.function(function)
	if err != nil {
		return Length{}, err
	}
	l, err := knownLength(code, func(field int) string { return o.relocs[start+uint64(field)].symbol })
	if err != nil {
		return Length{}, fmt.Errorf("testbed object: %s: %w", function, err)
	}
	return l, nil
}

var endbr64 = []byte{0xf3, 0x0f, 0x1e, 0xfa}

// lengthCounter walks through a function, one instruction after the other.
type lengthCounter struct {
	length  Length
	counter x86asm.Reg // holds the argument, copied from RDI
	dec     int        // offset of a DEC of it just before, or -1
	started bool
}

func knownLength(code []byte, target func(field int) string) (Length, error) {
	c := lengthCounter{dec: -1}
	at := 0
	if len(code) >= 4 && slices.Equal(code[:4], endbr64) {
		at = 4
	}
	for at < len(code) {
		inst, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			return Length{}, fmt.Errorf("at %#x: %w: %w", at, ErrShape, err)
		}
		done, err := c.step(inst, at, target(at+inst.Len-4))
		if err != nil {
			return Length{}, fmt.Errorf("at %#x: %v: %w", at, inst, err)
		}
		if done {
			return c.length, nil
		}
		at += inst.Len
	}
	return Length{}, fmt.Errorf("%w: no return", ErrShape)
}

// step counts an instruction, of which target names the symbol of its last
// four bytes, and reports whether it is the return.
func (c *lengthCounter) step(inst x86asm.Inst, at int, target string) (done bool, err error) {
	if !c.started {
		if inst.Op != x86asm.CALL || target != "__fentry__" {
			return false, fmt.Errorf("%w: no ftrace entry", ErrShape)
		}
		c.started = true
		c.length.Fixed++
		return false, nil
	}
	dec := c.dec
	c.dec = -1
	if dec >= 0 && inst.Op != x86asm.JNE {
		return false, fmt.Errorf("%w: DEC without JNE", ErrShape)
	}
	switch inst.Op {
	case x86asm.NOP, x86asm.XOR:
		if target != "" {
			return false, ErrShape
		}
	case x86asm.MOV:
		return false, c.move(inst)
	case x86asm.DEC:
		if c.counter == 0 || inst.Args[0] != c.counter || c.length.PerN != 0 {
			return false, fmt.Errorf("%w: not the copy of the argument", ErrShape)
		}
		c.dec = at
		return false, nil
	case x86asm.JNE:
		rel, ok := inst.Args[0].(x86asm.Rel)
		if dec < 0 || !ok || at+inst.Len+int(rel) != dec {
			return false, fmt.Errorf("%w: not a loop of DEC and JNE", ErrShape)
		}
		c.length.PerN = 2
		return false, nil
	case x86asm.RET:
		done = true
	case x86asm.JMP:
		if target != "__x86_return_thunk" {
			return false, ErrShape
		}
		done = true
	default:
		return false, ErrShape
	}
	c.length.Fixed++
	return done, nil
}

func (c *lengthCounter) move(inst x86asm.Inst) error {
	to, ok := inst.Args[0].(x86asm.Reg)
	if !ok || inst.Args[1] != x86asm.RDI || to < x86asm.RAX || to > x86asm.R15 || c.counter != 0 {
		return fmt.Errorf("%w: not a copy of the argument", ErrShape)
	}
	c.counter = to
	c.length.Fixed++
	return nil
}

// allocators returns the symbols of the function that a class's blocks come
// from. From 6.10 on the functions of the known names are macros.
func allocators(class string) []string {
	switch {
	case class == "vmap":
		return nil
	case class == "kvmalloc":
		return []string{"kvmalloc_node", "__kvmalloc_node_noprof"}
	case class == "vrealloc":
		return []string{"kvrealloc_noprof", "kvrealloc_node_align_noprof"}
	case class == "vmalloc_huge":
		// 5.10 has none, and the testbed takes the last.
		return []string{"vmalloc_huge", "vmalloc_huge_noprof", "vmalloc_huge_node_noprof", "__vmalloc"}
	case slices.Contains(Family, class):
		return []string{class, class + "_noprof"}
	}
	return []string{"vmalloc", "vmalloc_noprof"}
}

// CallerOffset returns how far behind the start of a class's allocation site
// its call of the allocator returns to. With [Block.Site] it makes the address
// that a profiler must report.
func (o *TestbedObject) CallerOffset(class string) (uint64, error) {
	site := "tb_site_" + class
	start, code, err := o.function(site)
	if err != nil {
		return 0, err
	}
	symbols := allocators(class)
	var found []uint64
	for field := uint64(1); field+4 <= uint64(len(code)); field++ {
		r, ok := o.relocs[start+field]
		if !ok || !slices.Contains(symbols, r.symbol) {
			continue
		}
		if op := code[field-1]; op != 0xe8 {
			return 0, fmt.Errorf("testbed object: %s: %s is reached by opcode %#x, not a call: %w", site, r.symbol, op, ErrShape)
		}
		found = append(found, field+4)
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("testbed object: %s calls %q at %d places: %w", site, symbols, len(found), ErrShape)
	}
	return found[0], nil
}

// ExpectedCaller returns the address that a profiler must report as the caller
// of the allocator for blocks of a class, given where the module's .text was
// loaded: see [TestbedText].
func (o *TestbedObject) ExpectedCaller(class string, text uint64) (uint64, error) {
	offset, err := o.CallerOffset(class)
	if err != nil {
		return 0, err
	}
	return text + o.funcs["tb_site_"+class].Value + offset, nil
}

// Address returns the address of a place in a function, given where the module's
// .text was loaded.
func (o *TestbedObject) Address(function string, offset, text uint64) (uint64, error) {
	start, code, err := o.function(function)
	if err == nil && offset > uint64(len(code)) {
		err = fmt.Errorf("testbed object: %s ends before %#x", function, offset)
	}
	return text + start + offset, err
}

// InText tells whether an address lies in the module's .text.
func (o *TestbedObject) InText(address, text uint64) bool {
	return address-text < uint64(len(o.text))
}

// TestbedText returns the address that the testbed's .text was loaded at. It
// needs root, and the module loaded.
func TestbedText() (uint64, error) {
	b, err := os.ReadFile("/sys/module/kprof_testbed/sections/.text")
	if err != nil {
		return 0, fmt.Errorf("testbed's load address: %w", err)
	}
	return parseSectionAddress(string(b))
}

func parseSectionAddress(text string) (uint64, error) {
	hex, ok := strings.CutPrefix(strings.TrimSuffix(text, "\n"), "0x")
	if !ok {
		return 0, fmt.Errorf("section address %q has no 0x", text)
	}
	a, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("section address: %w", err)
	}
	if a == 0 {
		return 0, errors.New("section address is hidden: root may read it")
	}
	return a, nil
}
