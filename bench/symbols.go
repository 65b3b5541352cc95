// SPDX-License-Identifier: MIT

package bench

import (
	"debug/elf"
	"errors"
	"fmt"

	"kprof-bench/explain"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
)

// symbols puts the kernel's symbols, those of the modules and the trampolines to
// where the guest had them.
func (c Code) symbols(image []kernels.Symbol, m *Modules) (*explain.Symbols, error) {
	kernel, err := kernelArea(image, c.Text)
	if err != nil {
		return nil, err
	}
	areas := []explain.Area{kernel}
	for name, sections := range c.Modules {
		if len(sections) == 0 {
			continue // it is not loaded
		}
		of := map[string]*kmod.Module{kmod.ProfilerModule: m.Profiler, kmod.TestbedModule: m.Testbed}[name]
		own, err := moduleAreas(name, of.Path, sections)
		if err != nil {
			return nil, err
		}
		areas = append(areas, own...)
	}
	for at, calls := range c.Trampolines {
		areas = append(areas, explain.Area{Start: at, End: at + trampolineSize, Module: "ftrace_trampoline(" + calls + ")"})
	}
	return explain.NewSymbols(areas...)
}

// trampolineSize is the least that the kernel gives to a trampoline of its making.
const trampolineSize = 4096

// kernelArea moves the image's symbols to where its text was.
func kernelArea(image []kernels.Symbol, text uint64) (a explain.Area, err error) {
	var moved uint64
	for _, s := range image {
		if s.Name == "_text" {
			a.Start, moved = text, text-s.Address
		}
	}
	if a.Start == 0 {
		return a, errors.New("the kernel has no symbol _text")
	}
	for _, s := range image {
		switch s.Type {
		case 't', 'T', 'w', 'W':
			a.Symbols = append(a.Symbols, explain.Symbol{Name: s.Name, Address: s.Address + moved, Global: s.Type == 'T'})
			a.End = s.Address + moved + 1
		}
	}
	return a, nil
}

// moduleAreas are the sections of a module that have code, with their symbols.
func moduleAreas(name, path string, sections map[string]uint64) ([]explain.Area, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var areas []explain.Area
	for i, section := range f.Sections {
		at, loaded := sections[section.Name]
		if !loaded || section.Flags&elf.SHF_EXECINSTR == 0 || section.Size == 0 {
			continue
		}
		a := explain.Area{Start: at, End: at + section.Size, Module: name}
		for _, s := range symbols {
			if t := elf.ST_TYPE(s.Info); s.Section == elf.SectionIndex(i) && (t == elf.STT_FUNC || t == elf.STT_NOTYPE) {
				a.Symbols = append(a.Symbols, explain.Symbol{
					Name: s.Name, Address: at + s.Value, Size: s.Size, Global: elf.ST_BIND(s.Info) == elf.STB_GLOBAL,
				})
			}
		}
		areas = append(areas, a)
	}
	return areas, nil
}
