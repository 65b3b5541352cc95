// SPDX-License-Identifier: MIT

package kernels

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Symbol is a name of the kernel's for an address.
type Symbol struct {
	Name    string
	Address uint64
	Type    byte // as nm has it: T and t are code, W and w are too when they are weak
}

// Symbols returns all symbols of the kernel's image, sorted by their addresses,
// which are those it was linked at. They are in no symbol table, which the image
// does not have, but in the one that the kernel itself has for /proc/kallsyms.
func (k *Kernel) Symbols() ([]Symbol, error) {
	f, err := elf.Open(k.Vmlinux)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		image := make([]byte, p.Filesz)
		if _, err := p.ReadAt(image, 0); err != nil {
			return nil, fmt.Errorf("%s: %w", k.Vmlinux, err)
		}
		if symbols := readKallsyms(image, p.Vaddr); symbols != nil {
			return symbols, nil
		}
	}
	return nil, fmt.Errorf("%s: there is no table of symbols, or one of another form", k.Vmlinux)
}

// kallsyms is the kernel's table, as scripts/kallsyms.c writes it, of which nothing
// says where it is. Names are lists of tokens: a byte each, whose text is in a
// table of 256. That one has the digits in a row, each for itself, and all else is
// found from there: somewhere before it are markers, where each 256th name begins,
// and right before those the names. What is in front of the names, or behind the
// tokens since Linux 6.4, are the addresses.
type kallsyms struct {
	image []byte
	start uint64 // address of the image

	tokens              [tokenCount]string
	tokensAt, tokensEnd int // in the image, with their index
	markersAt, markers  int
	namesAt             int
	names               []string // with the type in front
}

const (
	tokenCount  = 256
	markerEvery = 256
	mostTokens  = 64  // that a name has on an average
	longest     = 256 // bytes of a token
	alignment   = 8   // at most, of each of the tables
)

// digits are the tokens that stand for themselves in every kernel.
var digits = []byte("0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00")

func readKallsyms(image []byte, start uint64) []Symbol {
	for from := 0; ; {
		at := bytes.Index(image[from:], digits)
		if at < 0 {
			return nil
		}
		from += at + 1
		k := kallsyms{image: image, start: start}
		if k.findTokens(from-1) && k.findMarkers() && k.findNames() {
			return k.symbols()
		}
	}
}

// findTokens reads the table of tokens, given where the one for 0 is, and makes
// sure that what follows is their index.
func (k *kallsyms) findTokens(zero int) bool {
	at := zero
	for range int('0') { // the tokens before it
		if at = bytes.LastIndexByte(k.image[:max(at-1, 0)], 0) + 1; at == 0 {
			return false
		}
	}
	k.tokensAt = at
	var index []byte
	for i := range k.tokens {
		n := bytes.IndexByte(k.image[at:], 0)
		if n < 0 || n > longest {
			return false
		}
		k.tokens[i] = string(k.image[at : at+n])
		index = binary.LittleEndian.AppendUint16(index, uint16(at-k.tokensAt))
		at += n + 1
	}
	near := k.image[at:min(at+alignment+len(index), len(k.image))]
	pad := bytes.Index(near, index)
	k.tokensEnd = at + pad + len(index)
	return pad >= 0
}

// findMarkers looks for a row of growing numbers from 0 on, before the tokens.
func (k *kallsyms) findMarkers() bool {
	for at := (k.tokensAt - 4) &^ 3; at >= 0; at -= 4 {
		if k.u32(at) != 0 {
			continue
		}
		k.markersAt, k.markers = at, 1
		for next := at + 4; next < k.tokensAt; next += 4 {
			if d := int64(k.u32(next)) - int64(k.u32(next-4)); d < markerEvery || d > markerEvery*mostTokens {
				break
			}
			k.markers++
		}
		if k.markers >= markerEvery {
			return true
		}
	}
	return false
}

// findNames looks for the place from which so many names, as is said right before,
// fill all up to the markers.
func (k *kallsyms) findNames() bool {
	last := k.markersAt - int(k.u32(k.markersAt+4*(k.markers-1)))
	for at := last &^ 3; at > max(last-markerEvery*mostTokens, alignment); at -= 4 {
		for _, count := range []int{int(k.u32(at - 4)), int(k.u32(at - 8))} {
			if (count+markerEvery-1)/markerEvery == k.markers && k.readNames(at, count) {
				k.namesAt = at
				return true
			}
		}
	}
	return false
}

// readNames expands so many names, which must end where the markers begin.
func (k *kallsyms) readNames(at, count int) bool {
	k.names = nil
	for range count {
		n := int(k.image[at])
		at++
		if n&0x80 != 0 { // of more than 127 tokens, since Linux 6.1
			n = n&0x7f | int(k.image[at])<<7
			at++
		}
		if n == 0 || at+n > k.markersAt {
			return false
		}
		var name strings.Builder
		for _, t := range k.image[at : at+n] {
			name.WriteString(k.tokens[t])
		}
		k.names = append(k.names, name.String())
		at += n
	}
	return k.markersAt-at < alignment
}

// symbols adds the addresses, from before the names or from behind the tokens.
func (k *kallsyms) symbols() []Symbol {
	size := aligned(4 * len(k.names))
	before := k.namesAt - 2*alignment - size // the base and the count are in between
	for _, at := range []int{before, aligned(k.tokensEnd), (k.tokensEnd + 3) &^ 3} {
		if at < 0 || at+size+alignment > len(k.image) {
			continue
		}
		base := binary.LittleEndian.Uint64(k.image[at+size:])
		for _, address := range []func(i int, offset int32) uint64{
			// Variables of each processor have addresses of their own, as they are.
			func(_ int, offset int32) uint64 {
				if offset >= 0 {
					return uint64(offset)
				}
				return base - 1 - uint64(int64(offset))
			},
			func(_ int, offset int32) uint64 { return base + uint64(uint32(offset)) },
			// From the place of the offset itself, since Linux 7.0.
			func(i int, offset int32) uint64 { return k.start + uint64(at+4*i) + uint64(int64(offset)) },
		} {
			if all := k.addressed(at, address); all != nil {
				return all
			}
		}
	}
	return nil
}

// addressed returns the symbols if these are their addresses.
func (k *kallsyms) addressed(at int, address func(i int, offset int32) uint64) []Symbol {
	symbols := make([]Symbol, len(k.names))
	for i, name := range k.names {
		symbols[i] = Symbol{Name: name[1:], Type: name[0], Address: address(i, int32(k.u32(at+4*i)))}
	}
	last := symbols[len(symbols)-1].Address
	if last>>31 != 1<<33-1 || !slices.IsSortedFunc(symbols, byAddress) {
		return nil
	}
	return symbols
}

func byAddress(a, b Symbol) int { return cmp.Compare(a.Address, b.Address) }

func aligned(at int) int { return (at + alignment - 1) &^ (alignment - 1) }

func (k *kallsyms) u32(at int) uint32 { return binary.LittleEndian.Uint32(k.image[at:]) }
