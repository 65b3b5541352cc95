// SPDX-License-Identifier: MIT

package kmod

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Errors that those of [LoadBTF] and [BTF.ArgWords] wrap.
var (
	ErrNoBTF     = errors.New("the running kernel shows no BTF in /sys/kernel/btf; it must be built with CONFIG_DEBUG_INFO_BTF")
	ErrNotInBTF  = errors.New("no such function in the BTF of the kernel and of its modules")
	ErrAmbiguous = errors.New("several functions have this name, and do not take the same number of words")
	ErrVariadic  = errors.New("it takes a variable number of arguments")
)

// BTF is what a kernel knows of the types of its functions, and of those of the
// modules that are loaded. A module may have none, and functions written in
// assembly never do.
//
// Of several static functions of one name it need not have all: Debian's Linux
// 6.1 has five that are called s_start, and its BTF two.
type BTF struct {
	specs []*btf.Spec
}

// LoadBTF reads the BTF of the running kernel, which needs one that is built
// with CONFIG_DEBUG_INFO_BTF; for functions in modules, with
// CONFIG_DEBUG_INFO_BTF_MODULES too. Modules that are loaded later are not in it.
func LoadBTF() (*BTF, error) {
	cache := btf.NewCache()
	kernel, err := cache.Kernel()
	if errors.Is(err, btf.ErrNotSupported) || errors.Is(err, btf.ErrNotFound) {
		return nil, ErrNoBTF
	}
	if err != nil {
		return nil, fmt.Errorf("read the kernel's BTF: %w", err)
	}
	modules, err := cache.Modules()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for the BTF of modules: %w", err)
	}
	b := &BTF{[]*btf.Spec{kernel}}
	for _, name := range modules {
		spec, err := cache.Module(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // unloaded meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read the BTF of module %s: %w", name, err)
		}
		b.specs = append(b.specs, spec)
	}
	return b, nil
}

// ArgWords returns how many 8-byte words the arguments of a function take, as
// the parameter args of profiler.ko wants to have it: at most 6 if all of them
// are passed in registers, and 7 or more if any lies on the stack. The pointer
// to where a large result goes is an argument. sys_getpid finds
// __x64_sys_getpid, as it does for the module.
//
// A function whose result takes two registers is said to take two words at
// least: the module does not save the second one, rdx, of functions that take
// fewer.
//
// Errors wrap [ErrNotInBTF], [ErrAmbiguous] or [ErrVariadic]; arguments in
// floating point are an error too.
func (b *BTF) ArgWords(function string) (int, error) {
	words, err := b.argWords(function)
	if err != nil {
		return 0, fmt.Errorf("arguments of %s: %w", function, err)
	}
	return words, nil
}

func (b *BTF) argWords(function string) (int, error) {
	for _, name := range spellings(function) {
		protos, err := b.prototypes(name)
		if err != nil {
			return 0, err
		}
		if len(protos) > 0 {
			return commonWords(protos)
		}
	}
	return 0, ErrNotInBTF
}

// spellings returns the names that a function may have in BTF, the likeliest
// first. System calls that take nothing, such as __x64_sys_getpid, are there
// under the name that theirs is an alias of.
func spellings(function string) []string {
	call, ok := strings.CutPrefix(strings.TrimPrefix(function, "__x64_"), "sys_")
	if !ok {
		return []string{function}
	}
	return []string{function, "__x64_sys_" + call, "__do_sys_" + call}
}

// prototypes returns those of all functions of the name.
func (b *BTF) prototypes(name string) ([]*btf.FuncProto, error) {
	var protos []*btf.FuncProto
	for _, spec := range b.specs {
		types, err := candidates(spec, name)
		if err != nil {
			return nil, err
		}
		for _, t := range types {
			f, ok := t.(*btf.Func)
			if !ok || f.Name != name {
				continue
			}
			proto, ok := f.Type.(*btf.FuncProto)
			if !ok {
				return nil, fmt.Errorf("its type is %v, no prototype", f.Type)
			}
			protos = append(protos, proto)
		}
	}
	return protos, nil
}

// candidates returns all functions of the name, and maybe others. To the library
// three underscores in a name begin what a program adds to the name of a type;
// its index, as of v0.22.0, lacks the names that begin with them, of which the
// kernel has some: ___slab_alloc. Those are looked for one by one.
func candidates(spec *btf.Spec, name string) ([]btf.Type, error) {
	if !strings.HasPrefix(name, "___") {
		types, err := spec.AnyTypesByName(name)
		if errors.Is(err, btf.ErrNotFound) {
			return nil, nil
		}
		return types, err
	}
	var all []btf.Type
	for t, err := range spec.All() {
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// commonWords returns what holds for each of the prototypes. Prototypes may
// differ as long as the answer is the same: many names are there twice, with
// types that only look different.
func commonWords(protos []*btf.FuncProto) (int, error) {
	words, err := argWords(protos[0])
	for _, p := range protos[1:] {
		others, othersErr := argWords(p)
		if others != words || (othersErr == nil) != (err == nil) {
			return 0, ErrAmbiguous
		}
	}
	return words, err
}
