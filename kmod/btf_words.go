// SPDX-License-Identifier: MIT

package kmod

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

const (
	wordBytes = 8
	// argRegisters are rdi, rsi, rdx, rcx, r8 and r9.
	argRegisters = 6
	// mostArgWords is the most that profiler.ko takes.
	mostArgWords = 64
)

// argWords is [BTF.ArgWords] of one prototype, by the System V ABI for x86-64,
// section 3.2.3. An argument that does not fit into the registers left goes to
// the stack as a whole; then all words are more than there are registers, so
// that they need only be counted.
func argWords(p *btf.FuncProto) (int, error) {
	result, err := valueOf(p.Return)
	if err != nil {
		return 0, fmt.Errorf("its result: %w", err)
	}
	words, least := 0, result.words
	if result.inMemory {
		words, least = 1, 1
	}
	for i, param := range p.Params {
		if _, dots := param.Type.(*btf.Void); dots {
			return 0, ErrVariadic
		}
		v, err := valueOf(param.Type)
		if err != nil {
			return 0, fmt.Errorf("argument %d: %w", i+1, err)
		}
		words += v.words
		if v.inMemory {
			least = argRegisters + 1
		}
	}
	return min(max(words, least), mostArgWords), nil
}

// value is how an argument or a result is passed.
type value struct {
	words int
	// inMemory says that no part of it may be in a register, however many
	// are left.
	inMemory bool
}

func valueOf(t btf.Type) (value, error) {
	size, err := btf.Sizeof(t)
	if err != nil {
		return value{}, err
	}
	v := value{words: (size + wordBytes - 1) / wordBytes}
	if v.words > 2 {
		v.inMemory = true
		return v, nil
	}
	fits, err := aligned(t, 0)
	v.inMemory = !fits
	return v, err
}

// aligned tells whether each scalar in a type is where it would be if nothing
// was packed; what has others is passed in memory. Bit-fields do not count.
func aligned(t btf.Type, at btf.Bits) (bool, error) {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return allAligned(t.Members, at)
	case *btf.Union:
		return allAligned(t.Members, at)
	case *btf.Array:
		return aligned(t.Type, at)
	case *btf.Float:
		return false, fmt.Errorf("%s is not passed as an integer is", t.Name)
	default:
		size, err := btf.Sizeof(t)
		return size == 0 || at%btf.Bits(8*size) == 0, err
	}
}

func allAligned(members []btf.Member, at btf.Bits) (bool, error) {
	for _, m := range members {
		if m.BitfieldSize != 0 {
			continue
		}
		if ok, err := aligned(m.Type, at+m.Offset); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}
