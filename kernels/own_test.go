// SPDX-License-Identifier: MIT

package kernels

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const ownBanner = "Linux version 6.1.77-mine (me@here) (gcc"

// note is one in an ELF file. Names and values are padded.
func note(name string, kind uint32, value string) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(name)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	b = binary.LittleEndian.AppendUint32(b, kind)
	for _, s := range []string{name, value} {
		b = append(b, s...)
		b = append(b, make([]byte, -len(s)&3)...)
	}
	return string(b)
}

var pvhNotes = note("Linux\x00", 257, "x") + note("Xen\x00", 6, "linux\x00") + note("Xen\x00", 18, "\x30\x0a\x00\x01")

// ownELF is an ELF file with a segment to load and one of notes.
func ownELF(t *testing.T, text, notes string) []byte {
	t.Helper()
	b := tinyELF(t)
	const segment, header = 56, 64
	binary.LittleEndian.PutUint64(b[32:], header) // of the table of segments
	binary.LittleEndian.PutUint16(b[54:], segment)
	binary.LittleEndian.PutUint16(b[56:], 2)
	at := uint64(header + 2*segment)
	for _, s := range []struct {
		kind elf.ProgType
		text string
	}{{elf.PT_LOAD, text}, {elf.PT_NOTE, notes}} {
		p := make([]byte, segment)
		binary.LittleEndian.PutUint32(p, uint32(s.kind))
		binary.LittleEndian.PutUint64(p[8:], at)
		binary.LittleEndian.PutUint64(p[32:], uint64(len(s.text))) // in the file
		binary.LittleEndian.PutUint64(p[40:], uint64(len(s.text))) // in memory
		at += uint64(len(s.text))
		b = append(b, p...)
	}
	return append(append(b, text...), notes...)
}

func TestOwnImage(t *testing.T) {
	good := ownELF(t, "\x00\x90"+ownBanner, pvhNotes)
	arm := slices.Clone(good)
	arm[18] = 183
	for name, test := range map[string]struct {
		image []byte
		want  string // error
	}{
		"vmlinux":             {good, ""},
		"bzImage":             {[]byte(bzImage(t, good)), ""},
		"without a PVH entry": {ownELF(t, ownBanner, note("Xen\x00", 6, "linux\x00")), "it is Linux 6.1.77-mine without a PVH entry, by which QEMU starts a kernel; build it with CONFIG_PVH=y"},
		"a note of others":    {ownELF(t, ownBanner, note("Abc\x00", 18, "linux\x00")), "CONFIG_PVH=y"},
		"notes are cut short": {ownELF(t, ownBanner, pvhNotes[:len(pvhNotes)-4]), "CONFIG_PVH=y"},
		"in a bzImage":        {[]byte(bzImage(t, ownELF(t, ownBanner, ""))), "CONFIG_PVH=y"},
		"a program":           {ownELF(t, "Linux version %s (", pvhNotes), "it does not say which Linux it is"},
		"another processor":   {arm, "it is a file of ET_EXEC for EM_AARCH64, and no kernel for x86-64"},
		"text":                {[]byte("#!/bin/sh\n"), "not a bzImage, and no vmlinux either; give arch/x86/boot/bzImage, vmlinux or /boot/vmlinuz-*"},
		"nothing":             {nil, "not a bzImage, and no vmlinux either"},
		"half an ELF file":    {good[:70], "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(image, test.image, 0o644); err != nil {
				t.Fatal(err)
			}
			k, err := Own(t.Context(), image, "", Options{Dir: dir})
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "kernel image "+image+": ") {
					t.Errorf("error %v, want one with %q", err, test.want)
				}
				return
			}
			if err != nil || k.Release != "6.1.77-mine" || len(k.Identity) != 12 {
				t.Fatalf("%+v, %v", k, err)
			}
			if b, err := os.ReadFile(k.Vmlinux); err != nil || !slices.Equal(b, good) {
				t.Errorf("the vmlinux has %d bytes of %d, %v", len(b), len(good), err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "images", newPrefix+"*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	for name, want := range map[string]string{"missing": "no such file or directory", ".": "it is no regular file"} {
		if _, err := Own(t.Context(), filepath.Join(t.TempDir(), name), "", Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
}

// ownTree is a tree of headers for the image of ownELF. What it is built with is
// a gcc that answers as version 12 does.
func ownTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "linux-headers-6.1.77-mine")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("Makefile", "all:\n")
	write("scripts/mod/modpost", "")
	write("include/generated/utsrelease.h", "#define UTS_RELEASE \"6.1.77-mine\"\n")
	write("Module.symvers", "symbols")
	write(".config", "CONFIG_CC_VERSION_TEXT=\"my-gcc (GCC) 12.9.9\"\nCONFIG_GCC_VERSION=120909\n")
	write("../bin/my-gcc", "#!/bin/sh\necho 12.1.0\n")
	write("../bin/gcc-12", "#!/bin/sh\necho 12\n")
	write("../bin/gcc", "#!/bin/sh\necho 13.2.0\n")
	t.Setenv("PATH", filepath.Join(dir, "../bin")+":"+filepath.Dir(shell(t)))
	return dir
}

func shell(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOwnHeaders(t *testing.T) {
	image := filepath.Join(t.TempDir(), "vmlinux")
	if err := os.WriteFile(image, ownELF(t, ownBanner, pvhNotes), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file, text string // what is different; a file without text is removed
		compiler   string
		want       string // error
	}{
		"as they are":             {"new", "x", "my-gcc", ""},
		"the command is gone":     {"../bin/my-gcc", "", "gcc-12", ""},
		"the command is another":  {"../bin/my-gcc", "#!/bin/sh\necho 14\n", "gcc-12", ""},
		"of another kernel":       {"include/generated/utsrelease.h", "#define UTS_RELEASE \"6.1.78-mine\"\n", "", "they are those of 6.1.78-mine, and the image is 6.1.77-mine"},
		"no release":              {"include/generated/utsrelease.h", "#define X\n", "", "has no release"},
		"not built":               {"include/generated/utsrelease.h", "", "", "it must be a kernel's tree after make"},
		"no makefile":             {"Makefile", "", "", "it must be a kernel's tree after make"},
		"no tools":                {"scripts/mod/modpost", "", "", "it must be a kernel's tree after make"},
		"no symbols":              {"Module.symvers", "", "", "it must be a kernel's tree after make"},
		"no configuration":        {".config", "", "", "it must be a kernel's tree after make"},
		"no compiler in it":       {".config", "CONFIG_X=y\n", "", "does not say with which compiler"},
		"built with clang":        {".config", "CONFIG_CC_VERSION_TEXT=\"Debian clang version 16\"\nCONFIG_GCC_VERSION=0\n", "", "the kernel was built with Debian clang version 16, and only gcc is supported"},
		"a compiler not here":     {".config", "CONFIG_CC_VERSION_TEXT=\"gcc (GCC) 11.2.0\"\nCONFIG_GCC_VERSION=110200\n", "", "the kernel was built with gcc (GCC) 11.2.0, and no gcc 11 is here: apt-get install gcc-11"},
		"Debian's without common": {"Makefile", "include /usr/src/linux-headers-6.1-common/Makefile\n", "", "they need /usr/src/linux-headers-6.1-common, or the same beside them: apt-get install linux-headers-6.1-common"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ownTree(t)
			path := filepath.Join(dir, test.file)
			err := os.WriteFile(path, []byte(test.text), 0o755)
			if test.text == "" {
				err = os.Remove(path)
			}
			if err != nil {
				t.Fatal(err)
			}
			k, err := Own(t.Context(), image, dir, Options{Dir: t.TempDir()})
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want one with %q", err, test.want)
				}
				return
			}
			if err != nil || k.Compiler != test.compiler || k.CommonDir != "" {
				t.Errorf("%+v, %v; want compiler %s", k, err, test.compiler)
			}
		})
	}
}

// Modules are not taken for those of another kernel of the same release.
func TestOwnVariants(t *testing.T) {
	dir, image := ownTree(t), filepath.Join(t.TempDir(), "vmlinux")
	seen := map[string]string{}
	for _, change := range []struct{ name, file, text string }{
		{"nothing", image, string(ownELF(t, ownBanner, pvhNotes))},
		{"the image", image, string(ownELF(t, ownBanner+" #2", pvhNotes))},
		{"the configuration", filepath.Join(dir, ".config"), "CONFIG_CC_VERSION_TEXT=\"my-gcc\"\nCONFIG_GCC_VERSION=120000\n"},
		{"the symbols", filepath.Join(dir, "Module.symvers"), "other symbols"},
	} {
		if err := os.WriteFile(change.file, []byte(change.text), 0o755); err != nil {
			t.Fatal(err)
		}
		k, err := Own(t.Context(), image, dir, Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := seen[k.Variant]; ok || k.Variant == "" {
			t.Errorf("after a change of %s modules are taken for those after %s", change.name, before)
		}
		seen[k.Variant] = change.name
	}
}

// The headers of Debian's packages are in two directories.
func TestOwnCommon(t *testing.T) {
	dir := ownTree(t)
	common := filepath.Join(filepath.Dir(dir), "linux-headers-6.1-common")
	for file, text := range map[string]string{
		filepath.Join(common, "Makefile"): "all:\n",
		filepath.Join(dir, "Makefile"):    "KBUILD_OUTPUT=/usr/src/x\ninclude /usr/src/linux-headers-6.1-common/Makefile\n",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ownCommon(dir); err != nil || got != common {
		t.Errorf("%s, %v; want %s", got, err, common)
	}
	k := &Kernel{HeadersDir: "/h", Compiler: "gcc-12"}
	want := []string{"-C", "/h", "CC=gcc-12", "HOSTCC=gcc-12", "CONFIG_DEBUG_INFO_BTF_MODULES=", "M=/m"}
	if got := k.MakeArgs("/m"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
