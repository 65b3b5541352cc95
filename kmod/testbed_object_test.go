// SPDX-License-Identifier: MIT

package kmod

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// Machine code by hand, from the instruction set manual.
const (
	asmEndbr   = "\xf3\x0f\x1e\xfa"
	asmCall    = "\xe8\x00\x00\x00\x00"
	asmJmp     = "\xe9\x00\x00\x00\x00"
	asmMov     = "\x48\x89\xf8" // mov %rdi, %rax
	asmMovRsi  = "\x48\x89\xf0" // mov %rsi, %rax
	asmDec     = "\x48\xff\xc8" // dec %rax
	asmDecRcx  = "\x48\xff\xc9" // dec %rcx
	asmJneDec  = "\x75\xfb"     // jne to a 3-byte instruction right before
	asmJneFar  = "\x75\xf8"     // jne to the instruction before that
	asmNop     = "\x90"
	asmXor     = "\x31\xc0" // xor %eax, %eax
	asmRet     = "\xc3"
	asmRepMovs = "\xf3\xa4"
	asmInvalid = "\x06"
)

func TestKnownLength(t *testing.T) {
	const fentry, thunk = "__fentry__", "__x86_return_thunk"
	type fix map[int]string // relocated field to symbol
	for _, test := range []struct {
		name   string
		code   string
		relocs fix
		want   Length
		fails  bool
	}{
		{"empty function", asmCall + asmRet, fix{1: fentry}, Length{2, 0}, false},
		{"return through the thunk", asmCall + asmJmp, fix{1: fentry, 6: thunk}, Length{2, 0}, false},
		{"returns zero", asmCall + asmXor + asmRet, fix{1: fentry}, Length{3, 0}, false},
		{"loop", asmCall + asmMov + asmDec + asmJneDec + asmRet, fix{1: fentry}, Length{3, 2}, false},
		{"loop with a nop before", asmCall + asmNop + asmMov + asmDec + asmJneDec + asmRet, fix{1: fentry}, Length{4, 2}, false},
		{"entry behind endbr64", asmEndbr + asmCall + asmRet, fix{5: fentry}, Length{2, 0}, false},
		{"what follows the return does not count", asmCall + asmRet + asmInvalid, fix{1: fentry}, Length{2, 0}, false},

		{"not traceable", asmNop + asmRet, fix{}, Length{}, true},
		{"calls something else first", asmCall + asmRet, fix{1: "vmalloc"}, Length{}, true},
		{"calls something", asmCall + asmCall + asmRet, fix{1: fentry, 6: "vmalloc"}, Length{}, true},
		{"tail call", asmCall + asmJmp, fix{1: fentry, 6: "vmalloc"}, Length{}, true},
		{"unresolved jump", asmCall + asmJmp, fix{1: fentry}, Length{}, true},
		{"no return", asmCall + asmNop, fix{1: fentry}, Length{}, true},
		{"counts another argument down", asmCall + asmMovRsi + asmDec + asmJneDec + asmRet, fix{1: fentry}, Length{}, true},
		{"counts another register down", asmCall + asmMov + asmDecRcx + asmJneDec + asmRet, fix{1: fentry}, Length{}, true},
		{"loop around more than the counter", asmCall + asmMov + asmDec + asmJneFar + asmRet, fix{1: fentry}, Length{}, true},
		{"counts down twice", asmCall + asmMov + asmDec + asmDec + asmJneDec + asmRet, fix{1: fentry}, Length{}, true},
		{"counts down without a loop", asmCall + asmMov + asmDec + asmRet, fix{1: fentry}, Length{}, true},
		{"jump without counting", asmCall + asmMov + asmNop + asmJneDec + asmRet, fix{1: fentry}, Length{}, true},
		{"jump to before the function", asmCall + asmMov + "\x75\xf5" + asmRet, fix{1: fentry}, Length{}, true},
		{"two loops", asmCall + asmMov + asmDec + asmJneDec + asmDec + asmJneDec + asmRet, fix{1: fentry}, Length{}, true},
		{"repeated string instruction", asmCall + asmRepMovs + asmRet, fix{1: fentry}, Length{}, true},
		{"no code at all", "", fix{}, Length{}, true},
		{"not an instruction", asmCall + asmInvalid, fix{1: fentry}, Length{}, true},
		{"cut short", asmCall + "\x48", fix{1: fentry}, Length{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := knownLength([]byte(test.code), func(field int) string { return test.relocs[field] })
			if test.fails {
				if !errors.Is(err, ErrShape) {
					t.Fatalf("got %+v, %v, want ErrShape", got, err)
				}
				return
			}
			if err != nil || got != test.want {
				t.Fatalf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestLengthOf(t *testing.T) {
	// The lengths that experiments ask for, from the two shapes there are.
	odd, even := Length{3, 2}, Length{4, 2}
	for _, test := range []struct {
		l       Length
		n, want uint64
	}{{odd, 1, 5}, {even, 32, 68}, {odd, 100, 203}, {odd, 1000, 2003}, {odd, 10000, 20003}} {
		if got := test.l.Of(test.n); got != test.want {
			t.Errorf("%+v of %d: %d, want %d", test.l, test.n, got, test.want)
		}
	}
}

// testFunc is a function of a made-up object file: its code, and the symbols
// that its call and jump fields refer to.
type testFunc struct {
	name   string
	code   string
	relocs map[int]string
}

// testObject makes a relocatable ELF file with the functions, one after the
// other, in .text.
func testObject(t *testing.T, funcs []testFunc) []byte {
	t.Helper()
	const ehdr, shdr = 64, 64
	strtab := []byte{0}
	name := func(s string) uint32 {
		at := len(strtab)
		strtab = append(append(strtab, s...), 0)
		return uint32(at)
	}
	var text, rela []byte
	symbols := []elf.Sym64{{}}
	for _, f := range funcs {
		symbols = append(symbols, elf.Sym64{
			Name: name(f.name), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: 1,
			Value: uint64(len(text)), Size: uint64(len(f.code)),
		})
		text = append(text, f.code...)
	}
	for i, f := range funcs {
		for field, target := range f.relocs {
			symbols = append(symbols, elf.Sym64{Name: name(target), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
			info := elf.R_INFO(uint32(len(symbols)-1), uint32(elf.R_X86_64_PLT32))
			var err error
			rela, err = binary.Append(rela, binary.LittleEndian, elf.Rela64{
				Off: symbols[1+i].Value + uint64(field), Info: info, Addend: -4,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	symtab, err := binary.Append(nil, binary.LittleEndian, symbols)
	if err != nil {
		t.Fatal(err)
	}
	sections := []elf.Section64{
		{},
		{Name: name(".text"), Type: uint32(elf.SHT_PROGBITS)},
		{Name: name(".rela.text"), Type: uint32(elf.SHT_RELA), Link: 3, Info: 1, Entsize: 24},
		{Name: name(".symtab"), Type: uint32(elf.SHT_SYMTAB), Link: 4, Info: 1, Entsize: elf.Sym64Size},
		{Name: name(".strtab"), Type: uint32(elf.SHT_STRTAB)},
	}
	var body []byte
	for i, data := range [][]byte{text, rela, symtab, strtab} {
		sections[i+1].Off = uint64(ehdr + len(body))
		sections[i+1].Size = uint64(len(data))
		body = append(body, data...)
	}
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Ehsize: ehdr, Shentsize: shdr, Shnum: uint16(len(sections)), Shstrndx: 4,
		Shoff: uint64(ehdr + len(body)),
	}
	file, err := binary.Append(nil, binary.LittleEndian, header)
	if err != nil {
		t.Fatal(err)
	}
	file = append(file, body...)
	file, err = binary.Append(file, binary.LittleEndian, sections)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func openTestObject(t *testing.T, funcs ...testFunc) *TestbedObject {
	t.Helper()
	o, err := NewTestbedObject(bytes.NewReader(testObject(t, funcs)))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestExpectedCaller(t *testing.T) {
	// Something in front, so that offsets in .text and in the function differ.
	front := testFunc{"tb_empty", asmCall + asmRet, map[int]string{1: "__fentry__"}}
	site := func(code string, relocs map[int]string) testFunc {
		return testFunc{"tb_site_leaked", code, relocs}
	}
	callIn := func(class, symbol string) testFunc {
		return testFunc{"tb_site_" + class, asmCall + asmXor + asmCall + asmRet, map[int]string{1: "__fentry__", 8: symbol}}
	}
	call := func(symbol string) testFunc { return callIn("leaked", symbol) }
	// 6 bytes in front, then call (5), xor (2), call (5): behind it is 12.
	const wantOffset, wantCaller = 12, 0xffffffffc0000000 + 6 + 12
	for _, test := range []struct {
		name  string
		site  testFunc
		class string
		ok    bool
	}{
		{"calls vmalloc", call("vmalloc"), "leaked", true},
		{"calls vmalloc of 6.10 and later", call("vmalloc_noprof"), "leaked", true},
		{"calls vzalloc", call("vzalloc"), "leaked", false},
		{"calls another of a like name", call("__vmalloc_noprof"), "leaked", false},
		{"calls a member of the family", callIn("vzalloc", "vzalloc"), "vzalloc", true},
		{"calls one of 6.10 and later", callIn("__vmalloc", "__vmalloc_noprof"), "__vmalloc", true},
		{"calls vmalloc instead", callIn("vzalloc", "vmalloc"), "vzalloc", false},
		{"calls kvmalloc", callIn("kvmalloc", "kvmalloc_node"), "kvmalloc", true},
		{"calls kvmalloc of 6.10 and later", callIn("kvmalloc", "__kvmalloc_node_noprof"), "kvmalloc", true},
		{"calls kvrealloc", callIn("vrealloc", "kvrealloc_noprof"), "vrealloc", true},
		{"calls kvrealloc of 7.3", callIn("vrealloc", "kvrealloc_node_align_noprof"), "vrealloc", true},
		{"calls vmalloc_huge of 7.3", callIn("vmalloc_huge", "vmalloc_huge_node_noprof"), "vmalloc_huge", true},
		{"calls what vmalloc_huge is in 5.10", callIn("vmalloc_huge", "__vmalloc"), "vmalloc_huge", true},
		{"calls vmap", callIn("vmap", "vmap"), "vmap", false},
		{"jumps to vmalloc", site(asmCall+asmJmp, map[int]string{1: "__fentry__", 6: "vmalloc"}), "leaked", false},
		{"calls vmalloc twice", site(asmCall+asmCall+asmRet, map[int]string{1: "vmalloc", 6: "vmalloc"}), "leaked", false},
		{"unknown class", call("vmalloc"), "nope", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := openTestObject(t, front, test.site)
			offset, offsetErr := o.CallerOffset(test.class)
			caller, callerErr := o.ExpectedCaller(test.class, 0xffffffffc0000000)
			if !test.ok {
				if !errors.Is(offsetErr, ErrShape) || !errors.Is(callerErr, ErrShape) {
					t.Fatalf("got %v and %v, want ErrShape", offsetErr, callerErr)
				}
				return
			}
			if offsetErr != nil || offset != wantOffset {
				t.Errorf("offset %d, %v, want %d", offset, offsetErr, wantOffset)
			}
			if callerErr != nil || caller != wantCaller {
				t.Errorf("caller %#x, %v, want %#x", caller, callerErr, uint64(wantCaller))
			}
		})
	}
}

func TestTestbedObjectLength(t *testing.T) {
	o := openTestObject(t,
		testFunc{"tb_empty", asmCall + asmRet, map[int]string{1: "__fentry__"}},
		testFunc{"tb_work", asmCall + asmMov + asmDec + asmJneDec + asmJmp,
			map[int]string{1: "__fentry__", 14: "__x86_return_thunk"}})
	if got, err := o.KnownLength("tb_work"); err != nil || got != (Length{3, 2}) {
		t.Errorf("tb_work: %+v, %v", got, err)
	}
	if got, err := o.KnownLength("tb_empty"); err != nil || got != (Length{2, 0}) {
		t.Errorf("tb_empty: %+v, %v", got, err)
	}
	if _, err := o.KnownLength("tb_nope"); !errors.Is(err, ErrShape) {
		t.Errorf("tb_nope: %v", err)
	}
}

func TestTestbedObjectBroken(t *testing.T) {
	good := testObject(t, []testFunc{{"tb_empty", asmCall + asmRet, map[int]string{1: "__fentry__"}}})
	for _, test := range []struct {
		name  string
		spoil func(file []byte)
		want  string
	}{
		{"not ELF", func(f []byte) { f[0] = 0 }, "bad magic"},
		{"not a relocatable file", func(f []byte) { f[16] = byte(elf.ET_EXEC) }, "no x86-64 kernel module"},
		{"another machine", func(f []byte) { f[18] = byte(elf.EM_AARCH64) }, "no x86-64 kernel module"},
		{"no text", func(f []byte) { copy(f[bytes.Index(f, []byte("\x00.text")):], "\x00.tixt") }, "no .text"},
		{"no relocations", func(f []byte) { copy(f[bytes.Index(f, []byte(".rela")):], ".rale") }, "no .rela.text"},
		{"relocation of a symbol that is not there", func(f []byte) {
			// The relocation follows six bytes of text behind the header; its
			// symbol is the upper half of the second word.
			binary.LittleEndian.PutUint32(f[64+6+12:], 1000)
		}, "names symbol 1000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := slices.Clone(good)
			test.spoil(file)
			_, err := NewTestbedObject(bytes.NewReader(file))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestParseSectionAddress(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       uint64
		fails      bool
	}{
		{"address", "0xffffffffc0203000\n", 0xffffffffc0203000, false},
		{"hidden from users", "0x0000000000000000\n", 0, true},
		{"no prefix", "ffffffffc0203000\n", 0, true},
		{"empty", "", 0, true},
		{"no number", "0xzz\n", 0, true},
		{"too large", "0x1ffffffffc0203000\n", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseSectionAddress(test.text)
			if (err != nil) != test.fails || got != test.want {
				t.Fatalf("got %#x, %v", got, err)
			}
		})
	}
}

func FuzzKnownLength(f *testing.F) {
	f.Add([]byte(asmCall + asmMov + asmDec + asmJneDec + asmRet))
	f.Add([]byte(asmEndbr + asmCall + asmXor + asmJmp))
	f.Fuzz(func(t *testing.T, code []byte) {
		// Every call is to the ftrace entry, so that code gets past it.
		l, err := knownLength(code, func(int) string { return "__fentry__" })
		if err == nil && (l.Fixed < 2 || l.Fixed > uint64(len(code)) || (l.PerN != 0 && l.PerN != 2)) {
			t.Fatalf("%x: %+v", code, l)
		}
	})
}
