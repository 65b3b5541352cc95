// SPDX-License-Identifier: MIT

package peers

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/cilium/ebpf/btf"

	"kprof-bench/kmod"
)

// BPF programs can be put by fentry only at functions whose types the kernel knows.
// Those of a module are in its section .BTF, which pahole makes when the module is
// built beside a vmlinux. Debian's headers have none, so that modules that are built
// with them have no types. So that this is no handicap here, the testbed is given
// what pahole would have: functions that take so many words.

// kernelBTF is where the running kernel has its own types.
const kernelBTF = "/sys/kernel/btf/vmlinux"

// typedTestbed makes a copy of kprof_testbed.ko with types in a directory, for the
// running kernel. Where the kernel has none itself it is a plain copy.
func typedTestbed(ko, dir string) (string, error) {
	object, err := os.ReadFile(ko)
	if err != nil {
		return "", err
	}
	kernel, err := os.ReadFile(kernelBTF)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return "", err
	default:
		types, err := moduleTypes(kernel, kmod.TestbedArgs)
		if err != nil {
			return "", err
		}
		if object, err = withSection(object, ".BTF", types); err != nil {
			return "", fmt.Errorf("%s: %w", ko, err)
		}
	}
	path := filepath.Join(dir, filepath.Base(ko))
	return path, os.WriteFile(path, object, 0o600)
}

// btfHeader is struct btf_header of the kernel's interface.
type btfHeader struct {
	Magic            uint16
	Version, Flags   uint8
	HeaderLen        uint32
	TypeOff, TypeLen uint32
	StrOff, StrLen   uint32
}

const (
	btfMagic  = 0xeb9f
	kindFunc  = 12
	kindProto = 13
)

// moduleTypes are types of functions of a module, by how many words they take. Their
// numbers, and the places of their names, follow those of the kernel's own.
func moduleTypes(kernel []byte, functions map[string]int) ([]byte, error) {
	var header btfHeader
	if err := binary.Read(bytes.NewReader(kernel), binary.LittleEndian, &header); err != nil || header.Magic != btfMagic {
		return nil, fmt.Errorf("the kernel's BTF begins with %x: %w", header.Magic, err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(kernel))
	if err != nil {
		return nil, fmt.Errorf("the kernel's BTF: %w", err)
	}
	const more = 1 << 24 // than a kernel can have
	count := sort.Search(more, func(id int) bool {
		_, err := spec.TypeByID(btf.TypeID(id))
		return err != nil
	})
	var word *btf.Int
	if err := spec.TypeByName("long unsigned int", &word); err != nil {
		return nil, fmt.Errorf("the kernel's BTF: %w", err)
	}
	wordID, err := spec.TypeID(word)
	if err != nil {
		return nil, err
	}
	b := typeBuilder{next: uint32(count), nameBase: header.StrLen, word: uint32(wordID)}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		b.function(name, functions[name])
	}
	return b.bytes(), nil
}

// typeBuilder writes types as the kernel reads them.
type typeBuilder struct {
	next, nameBase, word uint32
	types, names         []byte
}

func (b *typeBuilder) name(text string) uint32 {
	at := b.nameBase + uint32(len(b.names))
	b.names = append(append(b.names, text...), 0)
	return at
}

// put writes a type: its name, its kind, how many of something it has, and the type
// that it refers to.
func (b *typeBuilder) put(name, kind, count, refers uint32) (id uint32) {
	for _, v := range []uint32{name, kind<<24 | count, refers} {
		b.types = binary.LittleEndian.AppendUint32(b.types, v)
	}
	b.next++
	return b.next - 1
}

func (b *typeBuilder) function(name string, words int) {
	proto := b.put(0, kindProto, uint32(words), b.word)
	for i := range words {
		b.types = binary.LittleEndian.AppendUint32(b.types, b.name(fmt.Sprintf("a%d", i)))
		b.types = binary.LittleEndian.AppendUint32(b.types, b.word)
	}
	const global = 1
	b.put(b.name(name), kindFunc, global, proto)
}

func (b *typeBuilder) bytes() []byte {
	h := btfHeader{
		Magic: btfMagic, Version: 1, TypeLen: uint32(len(b.types)), StrOff: uint32(len(b.types)), StrLen: uint32(len(b.names)),
	}
	h.HeaderLen = uint32(binary.Size(h))
	var out bytes.Buffer
	_ = binary.Write(&out, binary.LittleEndian, h) // cannot fail
	out.Write(b.types)
	out.Write(b.names)
	return out.Bytes()
}

// withSection adds a section to an object file of this architecture, behind all that
// is there: its contents, the names of sections with one more, and their table.
func withSection(object []byte, name string, content []byte) ([]byte, error) {
	var header elf.Header64
	if err := binary.Read(bytes.NewReader(object), binary.LittleEndian, &header); err != nil {
		return nil, err
	}
	size := binary.Size(elf.Section64{})
	if header.Shoff == 0 || int(header.Shentsize) != size || header.Shoff+uint64(size)*uint64(header.Shnum) > uint64(len(object)) {
		return nil, errors.New("no table of sections")
	}
	sections := make([]elf.Section64, header.Shnum)
	if err := binary.Read(bytes.NewReader(object[header.Shoff:]), binary.LittleEndian, sections); err != nil {
		return nil, err
	}
	if int(header.Shstrndx) >= len(sections) {
		return nil, errors.New("no names of sections")
	}
	names := &sections[header.Shstrndx]
	if names.Off+names.Size > uint64(len(object)) {
		return nil, errors.New("no names of sections")
	}
	all := slices.Clone(object[names.Off : names.Off+names.Size])
	added := elf.Section64{Name: uint32(len(all)), Type: uint32(elf.SHT_PROGBITS), Size: uint64(len(content)), Addralign: 8}
	all = append(append(all, name...), 0)

	out := padded(slices.Clone(object))
	added.Off = uint64(len(out))
	out = padded(append(out, content...))
	names.Off, names.Size = uint64(len(out)), uint64(len(all))
	out = padded(append(out, all...))
	header.Shoff = uint64(len(out))
	header.Shnum++
	var table, head bytes.Buffer
	_ = binary.Write(&table, binary.LittleEndian, append(sections, added))
	_ = binary.Write(&head, binary.LittleEndian, header)
	copy(out, head.Bytes())
	return append(out, table.Bytes()...), nil
}

// padded is a multiple of 8 bytes.
func padded(b []byte) []byte {
	return append(b, make([]byte, -len(b)&7)...)
}
