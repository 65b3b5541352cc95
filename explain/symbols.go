// SPDX-License-Identifier: MIT

package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Symbol is a name for code, from its address on. It ends at Size, or where the next
// one of its area begins.
type Symbol struct {
	Name    string
	Address uint64
	Size    uint64 // 0 if unknown
	// Global symbols are preferred where several have an address.
	Global bool
}

// Area is code that lies together: a kernel's, a section of a module, a page that
// the kernel has written.
type Area struct {
	Start, End uint64
	Module     string // or nothing
	// Symbols are those in it, in any order. Without any it has the name
	// Module.
	Symbols []Symbol
}

// Names of what has no symbol.
const (
	UserSpace = "[user]"
	unknown   = "[unknown]"
)

// Symbols finds names for addresses.
type Symbols struct {
	areas []Area // sorted
}

// NewSymbols returns those of all areas, which must not overlap.
func NewSymbols(areas ...Area) (*Symbols, error) {
	s := &Symbols{areas: slices.Clone(areas)}
	slices.SortFunc(s.areas, func(a, b Area) int { return cmp.Compare(a.Start, b.Start) })
	for i := range s.areas {
		a := &s.areas[i]
		if i > 0 && a.Start < s.areas[i-1].End {
			return nil, fmt.Errorf("code of %s at %#x overlaps other code", cmp.Or(a.Module, "the kernel"), a.Start)
		}
		a.Symbols = distinct(a.Symbols)
	}
	return s, nil
}

// notFunctions begin names that mark where something else than a function begins,
// which has a name as well.
var notFunctions = []string{"__pfx_", "__cfi_", ".L"}

// distinct sorts symbols and keeps one for each address: a global one, or else the
// first.
func distinct(all []Symbol) []Symbol {
	all = slices.DeleteFunc(slices.Clone(all), func(s Symbol) bool {
		return slices.ContainsFunc(notFunctions, func(p string) bool { return strings.HasPrefix(s.Name, p) })
	})
	slices.SortStableFunc(all, func(a, b Symbol) int {
		if a.Address != b.Address {
			return cmp.Compare(a.Address, b.Address)
		}
		return rank(a) - rank(b)
	})
	return slices.CompactFunc(all, func(a, b Symbol) bool { return a.Address == b.Address })
}

// aliases begin names by which a function is hardly known: system calls without
// arguments have one for programs of 32 bits, and code that runs before the kernel is
// at its place one of its own.
var aliases = []string{"__ia32_", "__pi_"}

// rank is lower for better names.
func rank(s Symbol) int {
	switch {
	case slices.ContainsFunc(aliases, func(p string) bool { return strings.HasPrefix(s.Name, p) }):
		return 2
	case s.Global:
		return 0
	}
	return 1
}

// Name returns the name of the function that an address lies in, with the module in
// brackets behind it.
func (s *Symbols) Name(pc uint64) string {
	if pc < userSpace {
		return UserSpace
	}
	a := s.area(pc)
	switch {
	case a == nil:
		return unknown
	case len(a.Symbols) == 0:
		return a.Module
	}
	name := unknown
	if sym := a.symbol(pc); sym != nil {
		name = sym.Name
	}
	if a.Module != "" {
		name += " [" + a.Module + "]"
	}
	return name
}

// begins tells whether a function begins at an address.
func (s *Symbols) begins(pc uint64) bool {
	a := s.area(pc)
	if a == nil {
		return false
	}
	sym := a.symbol(pc)
	return sym != nil && sym.Address == pc
}

// symbol returns the one that an address lies in, or nil.
func (a *Area) symbol(pc uint64) *Symbol {
	i, exact := slices.BinarySearchFunc(a.Symbols, pc, func(s Symbol, pc uint64) int { return cmp.Compare(s.Address, pc) })
	if !exact {
		i--
	}
	if i < 0 || a.Symbols[i].Size != 0 && pc >= a.Symbols[i].Address+a.Symbols[i].Size {
		return nil
	}
	return &a.Symbols[i]
}

func (s *Symbols) area(pc uint64) *Area {
	i, exact := slices.BinarySearchFunc(s.areas, pc, func(a Area, pc uint64) int { return cmp.Compare(a.Start, pc) })
	if !exact {
		i--
	}
	if i < 0 || pc >= s.areas[i].End {
		return nil
	}
	return &s.areas[i]
}

// addressOf is the address of a symbol of the kernel's.
func (s *Symbols) addressOf(name string) (uint64, bool) {
	for _, a := range s.areas {
		for _, sym := range a.Symbols {
			if sym.Name == name && a.Module == "" {
				return sym.Address, true
			}
		}
	}
	return 0, false
}
