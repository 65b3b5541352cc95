// SPDX-License-Identifier: MIT

package peers

import (
	"bytes"
	"debug/elf"
	"os"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// typesOfKernel are some as a kernel has them.
func typesOfKernel(t *testing.T) []byte {
	t.Helper()
	word := &btf.Int{Name: "long unsigned int", Size: 8}
	b, err := btf.NewBuilder([]btf.Type{
		&btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
		&btf.Struct{Name: "task_struct", Size: 8, Members: []btf.Member{{Name: "x", Type: word}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The types of a module go on where the kernel's own end.
func TestModuleTypes(t *testing.T) {
	kernel := typesOfKernel(t)
	raw, err := moduleTypes(kernel, map[string]int{"tb_args8": 8, "tb_work": 1, "tb_none": 0})
	if err != nil {
		t.Fatal(err)
	}
	base, err := btf.LoadSpecFromReader(bytes.NewReader(kernel))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSplitSpecFromReader(bytes.NewReader(raw), base)
	if err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string]int{"tb_args8": 8, "tb_work": 1, "tb_none": 0} {
		var f *btf.Func
		if err := spec.TypeByName(name, &f); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		proto, ok := f.Type.(*btf.FuncProto)
		if !ok || len(proto.Params) != words {
			t.Errorf("%s is of type %v, want %d parameters", name, f.Type, words)
			continue
		}
		for _, p := range proto.Params {
			if size, err := btf.Sizeof(p.Type); err != nil || size != 8 {
				t.Errorf("%s: parameter %s has %d bytes, %v", name, p.Name, size, err)
			}
		}
	}
	if _, err := moduleTypes([]byte("nothing of the kind at all"), nil); err == nil {
		t.Error("what is no BTF is no error")
	}
}

// An object file has a section more, and all others as they were.
func TestWithSection(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("thirteen byte")
	after, err := withSection(before, ".BTF", content)
	if err != nil {
		t.Fatal(err)
	}
	was, err := elf.NewFile(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	is, err := elf.NewFile(bytes.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	if len(is.Sections) != len(was.Sections)+1 {
		t.Fatalf("%d sections were %d", len(is.Sections), len(was.Sections))
	}
	for i, s := range was.Sections {
		if s.Type == elf.SHT_NOBITS {
			continue
		}
		old, _ := s.Data()
		now, err := is.Sections[i].Data()
		if s.Name != is.Sections[i].Name || err != nil || s.Name != ".shstrtab" && !bytes.Equal(old, now) {
			t.Errorf("section %s is not as it was: %v", s.Name, err)
		}
	}
	if got, err := is.Section(".BTF").Data(); err != nil || !bytes.Equal(got, content) {
		t.Errorf(".BTF is %q, %v", got, err)
	}
	for name, object := range map[string][]byte{"empty": nil, "cut": before[:100]} {
		if _, err := withSection(object, ".BTF", content); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
