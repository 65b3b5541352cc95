// SPDX-License-Identifier: MIT

package kmod

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

var (
	void    = &btf.Void{}
	char    = &btf.Int{Name: "char", Size: 1}
	number  = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	long    = &btf.Int{Name: "long int", Size: 8, Encoding: btf.Signed}
	int128  = &btf.Int{Name: "__int128", Size: 16, Encoding: btf.Signed}
	pointer = &btf.Pointer{Target: void}
	// timespec has two words, pair has two scalars in one, large three words.
	timespec = structure(16, btf.Member{Name: "sec", Type: long}, btf.Member{Name: "nsec", Type: long, Offset: 64})
	pair     = structure(8, btf.Member{Name: "a", Type: number}, btf.Member{Name: "b", Type: number, Offset: 32})
	large    = structure(24, btf.Member{Name: "w", Type: array(long, 3)})
	// packed has a long that begins in the middle of a word.
	packed = structure(12, btf.Member{Name: "a", Type: number}, btf.Member{Name: "b", Type: long, Offset: 32})
)

func structure(size uint32, members ...btf.Member) *btf.Struct {
	return &btf.Struct{Name: "s", Size: size, Members: members}
}

func array(t btf.Type, n uint32) *btf.Array { return &btf.Array{Index: number, Type: t, Nelems: n} }

func times(n int, t btf.Type) []btf.Type {
	all := make([]btf.Type, n)
	for i := range all {
		all[i] = t
	}
	return all
}

func function(name string, result btf.Type, params ...btf.Type) *btf.Func {
	proto := &btf.FuncProto{Return: result}
	for _, t := range params {
		p := btf.FuncParam{Type: t}
		if t != btf.Type(void) { // the dots have neither a name nor a type
			p.Name = "p"
		}
		proto.Params = append(proto.Params, p)
	}
	return &btf.Func{Name: name, Type: proto, Linkage: btf.StaticFunc}
}

// encoded is what a kernel with these types would show in sysfs.
func encoded(t *testing.T, types ...btf.Type) *btf.Spec {
	t.Helper()
	b, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSplitSpecFromReader(bytes.NewReader(raw), nil)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// What is expected follows from the ABI, and is what gcc 12 makes of the same
// prototypes.
func TestArgWords(t *testing.T) {
	const stack = argRegisters + 1
	for name, c := range map[string]struct {
		f    *btf.Func
		want int
	}{
		"nothing":                           {function("f", void), 0},
		"integers of every size":            {function("f", long, char, number, long), 3},
		"six words":                         {function("f", void, times(6, long)...), 6},
		"seven words":                       {function("f", void, times(7, long)...), 7},
		"a pointer to what is large":        {function("f", pointer, &btf.Pointer{Target: large}), 1},
		"__int128":                          {function("f", void, int128), 2},
		"__int128 in the last two":          {function("f", void, append(times(4, long), int128)...), 6},
		"__int128 when one is left":         {function("f", void, append(times(5, long), int128)...), stack},
		"an enumeration":                    {function("f", void, &btf.Enum{Name: "e", Size: 4}), 1},
		"a union of a byte and a word":      {function("f", void, &btf.Union{Name: "u", Size: 8, Members: []btf.Member{{Name: "c", Type: char}, {Name: "l", Type: long}}}), 1},
		"a union of a word and a struct":    {function("f", void, &btf.Union{Name: "u", Size: 16, Members: []btf.Member{{Name: "l", Type: long}, {Name: "t", Type: timespec}}}), 2},
		"a structure of one word":           {function("f", void, pair), 1},
		"a structure of two words":          {function("f", void, timespec), 2},
		"a structure of 9 bytes":            {function("f", void, structure(9, btf.Member{Name: "a", Type: array(char, 9)})), 2},
		"a structure with nothing in it":    {function("f", void, structure(0), long), 1},
		"three structures of two words":     {function("f", void, times(3, timespec)...), 6},
		"a structure when one is left":      {function("f", void, append(times(5, long), timespec)...), stack},
		"and a word that takes what's left": {function("f", void, append(times(5, long), timespec, long)...), 8},
		"a structure of three words":        {function("f", void, large), stack},
		"more than the module takes":        {function("f", void, structure(4096, btf.Member{Name: "a", Type: array(char, 4096)})), mostArgWords},
		"a packed structure":                {function("f", void, packed), stack},
		"packed within a union":             {function("f", void, &btf.Union{Name: "u", Size: 16, Members: []btf.Member{{Name: "p", Type: packed}}}), stack},
		"aligned within what is packed":     {function("f", void, structure(12, btf.Member{Name: "a", Type: number}, btf.Member{Name: "b", Type: structure(8, btf.Member{Name: "l", Type: long}), Offset: 32})), stack},
		"an array packed":                   {function("f", void, structure(12, btf.Member{Name: "a", Type: number}, btf.Member{Name: "b", Type: array(long, 1), Offset: 32})), stack},
		"bit-fields across bytes":           {function("f", void, structure(8, btf.Member{Name: "a", Type: number, Offset: 3, BitfieldSize: 17})), 1},
		"typedef, const, volatile":          {function("f", void, &btf.Typedef{Name: "t", Type: &btf.Const{Type: &btf.Volatile{Type: timespec}}}), 2},
		"a result of two words":             {function("f", timespec, long), 2},
		"a result of two words, no args":    {function("f", int128), 2},
		"a result of two words, three args": {function("f", timespec, long, long, long), 3},
		"a large result":                    {function("f", large, long), 2},
		"a large result and no arguments":   {function("f", large), 1},
		"a large result and six words":      {function("f", large, times(6, long)...), 7},
		"a packed result":                   {function("f", packed, long, long), 3},
	} {
		b := &BTF{[]*btf.Spec{encoded(t, c.f)}}
		if got, err := b.ArgWords("f"); got != c.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", name, got, err, c.want)
		}
	}
}

func TestArgWordsRefuses(t *testing.T) {
	double := &btf.Float{Name: "double", Size: 8}
	kernel := encoded(t,
		function("dots", void, pointer, void),
		function("dots_on_the_stack", void, append(times(7, long), void)...),
		function("twice", void, long), function("twice", void, long, long),
		function("dots_or_not", void, pointer, void), function("dots_or_not", void, pointer),
		function("in_both", void, long),
		function("floating", void, double),
		function("floating_member", void, structure(8, btf.Member{Name: "d", Type: double})),
		function("floating_result", double),
		&btf.Typedef{Name: "type", Type: long},
		function("flavour___a", void), function("flavour___b", void),
	)
	b := &BTF{[]*btf.Spec{kernel, encoded(t, function("in_both", void, pointer, pointer))}}
	for name, want := range map[string]error{
		"dots": ErrVariadic, "dots_on_the_stack": ErrVariadic,
		"twice": ErrAmbiguous, "dots_or_not": ErrAmbiguous, "in_both": ErrAmbiguous,
		"absent": ErrNotInBTF, "type": ErrNotInBTF, "flavour": ErrNotInBTF, "": ErrNotInBTF,
		"sys_absent": ErrNotInBTF, "__x64_sys_absent": ErrNotInBTF,
	} {
		got, err := b.ArgWords(name)
		if !errors.Is(err, want) || got != 0 || !strings.HasPrefix(err.Error(), "arguments of "+name+": ") {
			t.Errorf("%q: %d, %v; want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"floating", "floating_member", "floating_result"} {
		if got, err := b.ArgWords(name); err == nil || !strings.Contains(err.Error(), "double") {
			t.Errorf("%s: %d, %v; want an error that names the type", name, got, err)
		}
	}
}

func TestArgWordsFinds(t *testing.T) {
	kernel := encoded(t,
		function("here", void, long),
		function("alike", void, long, pointer), function("alike", long, &btf.Enum{Name: "e", Size: 4}, char),
		&btf.Typedef{Name: "also_a_type", Type: long}, function("also_a_type", void, times(3, long)...),
		function("___underscores", void, long, long), function("____underscores", void, long), function("in___between", void),
		function("__x64_sys_read", long, pointer),
		function("__do_sys_read", long, times(3, long)...),
		function("__do_sys_getpid", long, pointer),
	)
	b := &BTF{[]*btf.Spec{kernel, encoded(t, function("in_module", void, times(4, long)...))}}
	for name, want := range map[string]int{
		"here": 1, "alike": 2, "also_a_type": 3, "in_module": 4,
		"___underscores": 2, "____underscores": 1, "in___between": 0,
		"sys_read": 1, "__x64_sys_read": 1, "sys_getpid": 1, "__x64_sys_getpid": 1,
	} {
		if got, err := b.ArgWords(name); got != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", name, got, err, want)
		}
	}
}
