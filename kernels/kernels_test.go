// SPDX-License-Identifier: MIT

package kernels

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func TestGetRefuses(t *testing.T) {
	f := newFakeApt(t)
	f.addKernel("6.1.0-56-amd64", "6.1.0-56-common", "6.1.192-2")
	for series, want := range map[string]string{
		"":          "not of the form 6.1",
		"6":         "not of the form 6.1",
		"6.1.0":     "not of the form 6.1",
		"../../etc": "not of the form 6.1",
		"6.1-pae":   "not of the form 6.1, 6.1-rt or 6.1-cloud",
		"6.1-cloud": "kernel 6.1-cloud: the package sources of this machine do not offer linux-image-cloud-amd64",
		"-rt":       "not of the form 6.1",
		"6.12":      "kernel 6.12: not in the package sources of this machine, which offer 6.1",
		"6.1-rt":    "kernel 6.1-rt: the package sources of this machine do not offer linux-image-rt-amd64",
		"5.10":      "kernel 5.10: not in the package sources of this machine, which offer 6.1",
	} {
		_, err := Get(t.Context(), series, Options{Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("series %q: error %v, want one with %q", series, err, want)
		}
	}
	for _, pkg := range []string{"", "a/b", "-o", "Pkg", "a b"} {
		if _, err := Unpack(t.Context(), pkg, Options{Dir: t.TempDir()}); err == nil {
			t.Errorf("package %q was accepted", pkg)
		}
	}
}

func TestPickRelease(t *testing.T) {
	metas := []aptPackage{
		{version: "6.12.95-1~bpo12+1", depends: []string{"linux-image-6.12.95+deb12-amd64"}},
		{version: "6.1.192-2", depends: []string{"linux-image-6.1.0-56-amd64"}},
		{version: "6.1.176-1", depends: []string{"linux-image-6.1.0-50-amd64"}},
	}
	realTime := []aptPackage{
		{version: "6.12.95-1~bpo12+1", depends: []string{"linux-image-6.12.95+deb12-rt-amd64"}},
		{version: "6.1.192-2", depends: []string{"linux-image-6.1.0-56-rt-amd64"}},
	}
	for series, want := range map[string]string{
		"6.1": "6.1.0-56-amd64 6.1.192-2", "6.12": "6.12.95+deb12-amd64 6.12.95-1~bpo12+1",
		"6.1-rt": "6.1.0-56-rt-amd64 6.1.192-2", "6.12-rt": "6.12.95+deb12-rt-amd64 6.12.95-1~bpo12+1",
	} {
		metas := metas
		if strings.HasSuffix(series, "-rt") {
			metas = realTime
		}
		if release, version, err := pickRelease(metas, series); err != nil || release+" "+version != want {
			t.Errorf("%s: %s %s, %v, want %s", series, release, version, err, want)
		}
	}
	cloudy := []aptPackage{{version: "7.3.4-1", depends: []string{"linux-base-cloud-amd64", "linux-image-7.3.4+deb13-cloud-amd64"}}}
	if release, _, err := pickRelease(cloudy, "7.3-cloud"); err != nil || release != "7.3.4+deb13-cloud-amd64" {
		t.Errorf("7.3-cloud: %s, %v", release, err)
	}
	if _, _, err := pickRelease(metas, "6.10"); err == nil || !strings.HasSuffix(err.Error(), "offer 6.12, 6.1") {
		t.Errorf("6.10: error %v", err)
	}
	if _, _, err := pickRelease(realTime, "6.1"); err == nil || !strings.HasSuffix(err.Error(), "offer 6.12-rt, 6.1-rt") {
		t.Errorf("6.1, where all are real-time kernels: error %v", err)
	}
}

func TestParseStanza(t *testing.T) {
	got := parseStanza(`Package: linux-headers-6.1.0-56-amd64
Source: linux
Version: 6.1.192-2
Depends: linux-headers-6.1.0-56-common (= 6.1.192-2), linux-kbuild-6.1 (>= 6.1.192-2), linux-compiler-gcc-12-x86 | gcc:any
Description-en: Header files for Linux 6.1.0-56-amd64
 Depends: not here
`)
	want := aptPackage{name: "linux-headers-6.1.0-56-amd64", version: "6.1.192-2",
		depends: []string{"linux-headers-6.1.0-56-common", "linux-kbuild-6.1", "linux-compiler-gcc-12-x86"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(aptPackage{})); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

func TestCompilerOf(t *testing.T) {
	tests := map[string]struct{ file, want string }{
		"bookworm": {"override ARCH = x86\nCC = $(if $(DEBIAN_KERNEL_USE_CCACHE),$(CCACHE)) $(CROSS_COMPILE)gcc-12\n", "gcc-12"},
		"triplet":  {"CC = $(if $(DEBIAN_KERNEL_USE_CCACHE),$(CCACHE)) x86_64-linux-gnu-gcc-14\n", "gcc-14"},
		"override": {"override CC := gcc-10\n", "gcc-10"},
		"none":     {"CCACHE = ccache\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, ".kernelvariables"), []byte(test.file), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := compilerOf(dir)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("%q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestMake(t *testing.T) {
	k := &Kernel{Release: "6.1.0-56-amd64", HeadersDir: "/h", CommonDir: "/c", Compiler: "sh"}
	if _, err := exec.LookPath("make"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MAKEFLAGS", "w")
	t.Setenv("KBUILD_OUTPUT", "/elsewhere")
	t.Setenv("HOME", "/home/x")
	cmd, err := k.Make(t.Context(), "/m", "W=1", "clean")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"make", "-C", "/h", "-f", "/c/Makefile", "KBUILD_OUTPUT=/h", "CC=sh", "HOSTCC=sh", "CONFIG_DEBUG_INFO_BTF_MODULES=", "M=/m", "W=1", "clean"}
	if diff := cmp.Diff(want, cmd.Args); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	for _, v := range []string{"MAKEFLAGS=w", "KBUILD_OUTPUT=/elsewhere"} {
		if slices.Contains(cmd.Env, v) {
			t.Errorf("%s reaches the build", v)
		}
	}
	if !slices.Contains(cmd.Env, "HOME=/home/x") {
		t.Error("HOME does not reach the build")
	}
	if _, err := k.Make(t.Context(), "/with space"); err == nil {
		t.Error("a directory with a space was accepted")
	}
	k.Compiler = "gcc-0"
	if _, err := k.Make(t.Context(), "/m"); err == nil || !strings.Contains(err.Error(), "apt-get install make gcc-0") {
		t.Errorf("without the compiler: %v", err)
	}
}

func TestExtractVmlinux(t *testing.T) {
	good := tinyELF(t)
	xz := exec.Command("xz", "--format=xz", "--check=crc32", "--x86", "--lzma2=dict=32MiB", "--stdout")
	xz.Stdin = bytes.NewReader(good)
	compressed, err := xz.Output()
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	// Behind it is the size of what comes out.
	zstandard := append(encoder.EncodeAll(good, nil), 64, 0, 0, 0)
	old := wrapPayload(compressed)
	old[offVersion] = 7
	tests := map[string]struct {
		image []byte
		want  string // error
	}{
		"xz, as Debian does":   {wrapPayload(append(slices.Clone(compressed), 64, 0, 0, 0)), ""},
		"gzip":                 {[]byte(bzImage(t, good)), ""},
		"zstd, as Debian does": {wrapPayload(zstandard), ""},
		"zstd is damaged":      {wrapPayload(append(slices.Clone(zstandard[:20]), make([]byte, 40)...)), "zstd: "},
		"zstd is short":        {wrapPayload(append(slices.Clone(zstandard[:len(zstandard)-4]), 65, 0, 0, 0)), "zstd: 64 bytes came out instead of 65"},
		"lz4, as Debian does":  {wrapPayload(append(lz4Legacy(good), 64, 0, 0, 0)), ""},
		"lz4 is short":         {wrapPayload(append(lz4Legacy(good), 65, 0, 0, 0)), "lz4: 64 bytes came out instead of 65"},
		"lz4 is damaged":       {wrapPayload(append(lz4Legacy(good)[:20], 64, 0, 0, 0)), "lz4: "},
		"something else":       {wrapPayload([]byte("BZh91AY&SY")), "starts with 42 5a 68 39"},
		"nothing":              {wrapPayload(nil), "cut short"},
		"cut short":            {wrapPayload(compressed)[:1700], "cut short"},
		"xz is damaged":        {wrapPayload(append(slices.Clone(compressed[:40]), make([]byte, 40)...)), "xz: exit status 1"},
		"not a kernel":         {[]byte("MZ and no more"), "not a bzImage"},
		"ancient":              {old, "2.07 is too old"},
		"what is in it is odd": {[]byte(bzImage(t, []byte("no ELF file at all"))), "decompress"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			in, out := filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "vmlinux")
			if err := os.WriteFile(in, test.image, 0o644); err != nil {
				t.Fatal(err)
			}
			err := extractVmlinux(t.Context(), in, out)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want one with %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, good) {
				t.Errorf("% x, %v", got, err)
			}
		})
	}
}

// lz4Legacy is the old format of lz4 files, which the kernel's build uses: a
// magic number, and before each block its size. This block is of literals alone.
func lz4Legacy(content []byte) []byte {
	block := append([]byte{0xf0, byte(len(content) - 15)}, content...)
	out := binary.LittleEndian.AppendUint32([]byte("\x02\x21\x4c\x18"), uint32(len(block)))
	return append(out, block...)
}

func FuzzBzImagePayload(f *testing.F) {
	f.Add(wrapPayload([]byte("payload")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := bzImagePayload(b); err == nil && (len(p) == 0 || !bytes.Contains(b, p)) {
			t.Errorf("payload of %d bytes out of %d", len(p), len(b))
		}
	})
}
