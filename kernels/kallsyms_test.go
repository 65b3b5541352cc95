// SPDX-License-Identifier: MIT

package kernels

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tables makes an image with a table of symbols as scripts/kallsyms.c of several
// versions of Linux does. Every token is a character, as in its array of tokens.
type tables struct{ image []byte }

func (b *tables) align(n int) {
	for len(b.image)%n != 0 {
		b.image = append(b.image, 0)
	}
}

func (b *tables) u32(v uint32) { b.image = binary.LittleEndian.AppendUint32(b.image, v) }
func (b *tables) u64(v uint64) { b.image = binary.LittleEndian.AppendUint64(b.image, v) }

func (b *tables) names(all []Symbol) {
	b.u64(uint64(len(all)))
	start := len(b.image)
	var markers []uint32
	for i, s := range all {
		if i%256 == 0 {
			markers = append(markers, uint32(len(b.image)-start))
		}
		b.image = append(b.image, byte(len(s.Name)+1), s.Type)
		b.image = append(b.image, s.Name...)
	}
	b.align(8)
	for _, m := range markers {
		b.u32(m)
	}
	b.align(8)
}

func (b *tables) tokens() {
	var index []uint16
	start := len(b.image)
	for i := range 256 {
		index = append(index, uint16(len(b.image)-start))
		if i != 0 {
			b.image = append(b.image, byte(i))
		}
		b.image = append(b.image, 0)
	}
	b.align(8)
	for _, n := range index {
		b.image = binary.LittleEndian.AppendUint16(b.image, n)
	}
}

func (b *tables) offsets(all []Symbol, offset func(i int, s Symbol) uint32) {
	b.align(8)
	for i, s := range all {
		b.u32(offset(i, s))
	}
	b.align(8)
}

const textBase = 0xffffffff81000000

func manySymbols() []Symbol {
	all := []Symbol{{Name: "percpu_start", Address: 0, Type: 'A'}, {Name: "percpu_end", Address: 0x2f000, Type: 'A'}}
	for i := range 70_000 {
		all = append(all, Symbol{Name: fmt.Sprintf("function_%d", i), Address: textBase + uint64(16*i), Type: 'T'})
	}
	return all
}

func TestReadKallsyms(t *testing.T) {
	all := manySymbols()
	own := all[2:] // without those whose addresses are no kernel's
	minusOne := func(_ int, s Symbol) uint32 {
		if s.Address < textBase {
			return uint32(s.Address)
		}
		return uint32(textBase - 1 - s.Address)
	}
	before := func(seqs bool) []byte {
		b := &tables{image: make([]byte, 4096)}
		b.offsets(all, minusOne)
		b.u64(textBase)
		b.names(all)
		if seqs {
			for i := range all {
				b.image = append(b.image, byte(i>>16), byte(i>>8), byte(i))
			}
			b.align(8)
		}
		b.tokens()
		return append(b.image, make([]byte, 64)...)
	}
	behind := func() []byte {
		b := &tables{image: make([]byte, 4096)}
		b.names(all)
		b.tokens()
		b.offsets(all, minusOne)
		b.u64(textBase)
		return append(b.image, make([]byte, 64)...)
	}
	relative := func() []byte {
		b := &tables{image: make([]byte, 4096)}
		b.names(own)
		b.tokens()
		b.align(8)
		at := len(b.image)
		b.offsets(own, func(i int, s Symbol) uint32 { return uint32(s.Address - textBase - uint64(at+4*i)) })
		return append(b.image, make([]byte, 64)...)
	}
	unsigned := func() []byte {
		b := &tables{image: make([]byte, 4096)}
		b.names(own)
		b.tokens()
		b.offsets(own, func(_ int, s Symbol) uint32 { return uint32(s.Address - textBase) })
		b.u64(textBase)
		return append(b.image, make([]byte, 64)...)
	}
	for name, c := range map[string]struct {
		image []byte
		want  []Symbol
	}{
		"offsets before the names, as in 5.10":       {before(false), all},
		"an order by name in between, as in 6.1":     {before(true), all},
		"offsets behind the tokens, as in 6.12":      {behind(), all},
		"no addresses of each processor, as in 6.15": {unsigned(), own},
		"offsets from where they are, as in 7.3":     {relative(), own},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, readKallsyms(c.image, textBase)); diff != "" {
				t.Errorf("symbols (-want +got):\n%.2000s", diff)
			}
		})
	}
}

// What is cut off anywhere is no table, and no reason to panic.
func TestReadKallsymsCutShort(t *testing.T) {
	b := &tables{image: make([]byte, 64)}
	all := manySymbols()
	b.names(all)
	b.tokens()
	for n := 0; n < len(b.image); n += len(b.image)/50 + 1 {
		if got := readKallsyms(b.image[:n], textBase); got != nil {
			t.Fatalf("%d of %d bytes have %d symbols", n, len(b.image), len(got))
		}
	}
	if got := readKallsyms(b.image, textBase); got != nil {
		t.Errorf("a table without addresses has %d symbols", len(got))
	}
}
