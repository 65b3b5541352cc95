// SPDX-License-Identifier: MIT

package explain

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// Parser reads QEMU's log of one guest, which may come in several stretches. The
// code of an instruction is in the log once, before it is first executed and again
// when it has changed, so that later stretches build on earlier ones.
type Parser struct {
	code map[uint64]*Insn
}

// Words by which lines of the log are told apart.
var (
	traceLine = []byte("Trace ")
	blockLine = []byte("IN:")
	// The last block was left before it did anything: to be executed once more,
	// after what has to come first.
	undoneLines = [][]byte{[]byte("Stopped execution of TB chain before"), []byte("cpu_io_recompile: rewound execution")}
)

// Parse returns the instructions that were executed, in order.
func (p *Parser) Parse(log []byte) ([]*Insn, error) {
	if p.code == nil {
		p.code = map[uint64]*Insn{}
	}
	var steps []*Insn
	var b block
	for n := 1; len(log) > 0; n++ {
		var line []byte
		line, log, _ = bytes.Cut(log, []byte("\n"))
		var err error
		switch {
		case bytes.HasPrefix(line, blockLine):
			b = block{open: true}
		case b.open && bytes.HasPrefix(line, []byte("0x")):
			err = b.add(line)
		case b.open:
			err = p.learn(&b)
		case bytes.HasPrefix(line, traceLine):
			var i *Insn
			if i, err = p.executed(line); err == nil {
				steps = append(steps, i)
			}
		case isUndone(line) && len(steps) > 0:
			steps = steps[:len(steps)-1]
		}
		if err != nil {
			return nil, fmt.Errorf("line %d of the trace: %w: %q", n, err, line)
		}
	}
	return steps, nil
}

func isUndone(line []byte) bool {
	return bytes.HasPrefix(line, undoneLines[0]) || bytes.HasPrefix(line, undoneLines[1])
}

// block is translated code in the log: an instruction.
type block struct {
	open bool
	pc   uint64
	code []byte
}

var (
	errNoAddress = errors.New("there is no address in it")
	errNotSingle = errors.New("more than one instruction was translated at once")
)

// add takes a line "0xADDRESS:  BYTES  TEXT" in. A long instruction has several, and
// so has one that the disassembler does not know.
func (b *block) add(line []byte) error {
	address, rest, _ := bytes.Cut(line, []byte(":"))
	pc, err := strconv.ParseUint(string(address), 0, 64)
	if err != nil {
		return errNoAddress
	}
	if b.code == nil {
		b.pc = pc
	} else if pc != b.pc+uint64(len(b.code)) {
		return errNotSingle
	}
	for _, word := range bytes.Fields(rest) {
		octet := make([]byte, 1)
		if len(word) != 2 {
			break
		}
		if _, err := hex.Decode(octet, word); err != nil {
			break
		}
		b.code = append(b.code, octet...)
	}
	return nil
}

func (p *Parser) learn(b *block) error {
	if len(b.code) == 0 {
		return errors.New("code has no bytes before it")
	}
	i, err := newInsn(b.pc, b.code)
	p.code[b.pc] = i
	*b = block{}
	return err
}

// executed takes a line "Trace CPU: HOST [CS_BASE/PC/FLAGS/CFLAGS]".
func (p *Parser) executed(line []byte) (*Insn, error) {
	fields := bytes.Split(line, []byte("/"))
	if len(fields) < 4 {
		return nil, errNoAddress
	}
	pc, err := strconv.ParseUint(string(fields[1]), 16, 64)
	if err != nil {
		return nil, errNoAddress
	}
	i, ok := p.code[pc]
	if !ok {
		return nil, errors.New("nothing says what is at that address")
	}
	return i, nil
}
