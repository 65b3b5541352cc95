// SPDX-License-Identifier: MIT

package kernels

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeApt stands in for apt: a directory of packages, and scripts in PATH that
// serve them and write down what they were asked for.
type fakeApt struct {
	t     *testing.T
	dir   string
	suite string // of the packages that are offered, with a slash behind
}

// The scripts get "-c <config>" first, as apt does; where that lies tells whose
// sources are asked.
const (
	fakeGet = `#!/bin/sh
case $2 in */apt/*/apt.conf) suite=${2%/apt.conf}; suite=${suite##*/}/ ;; *) suite= ;; esac
shift 2
echo "$@" >> "$FAKE_APT/log"
test -e "$FAKE_APT/${suite}fail-$1" && { cat "$FAKE_APT/${suite}fail-$1" >&2; exit 100; }
test -e "$FAKE_APT/warn-$1" && cat "$FAKE_APT/warn-$1" >&2
test "$1" = indextargets && cat "$FAKE_APT/indextargets" 2>/dev/null
test "$1" = install && cat "$FAKE_APT/${suite}install"
test "$1" = download || exit 0
shift 2
for p; do cp "$FAKE_APT/${suite}debs/${p%%=*}_"*.deb . || exit 100; done
`
	fakeCache = `#!/bin/sh
case $2 in */apt/*/apt.conf) suite=${2%/apt.conf}; suite=${suite##*/}/ ;; *) suite= ;; esac
cat "$FAKE_APT/${suite}show/$4" 2>/dev/null || { echo "E: No packages found" >&2; exit 100; }
`
)

func newFakeApt(t *testing.T) *fakeApt {
	t.Helper()
	f := &fakeApt{t: t, dir: t.TempDir()}
	f.write("bin/apt-get", fakeGet, 0o755)
	f.write("bin/apt-cache", fakeCache, 0o755)
	t.Setenv("FAKE_APT", f.dir)
	t.Setenv("PATH", filepath.Join(f.dir, "bin")+":"+os.Getenv("PATH"))
	return f
}

func (f *fakeApt) write(name, content string, mode os.FileMode) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		f.t.Fatal(err)
	}
}

// add offers a package; files maps paths below / to contents, and those whose
// content starts with "-> " are links.
func (f *fakeApt) add(name, version, depends string, files map[string]string) {
	f.t.Helper()
	f.offer(name, version, depends)
	root := filepath.Join("build", name)
	f.write(filepath.Join(root, "DEBIAN/control"),
		"Package: "+name+"\nVersion: "+version+"\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: made for a test\n", 0o644)
	for file, content := range files {
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			path := filepath.Join(f.dir, root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				f.t.Fatal(err)
			}
			if err := os.Symlink(target, path); err != nil {
				f.t.Fatal(err)
			}
			continue
		}
		f.write(filepath.Join(root, file), content, 0o644)
	}
	f.write(f.suite+"debs/keep", "", 0o644)
	out := filepath.Join(f.dir, f.suite, "debs", name+"_"+strings.ReplaceAll(version, ":", "%3a")+"_all.deb")
	if b, err := exec.Command("dpkg-deb", "-Znone", "--build", filepath.Join(f.dir, root), out).CombinedOutput(); err != nil {
		f.t.Fatalf("build %s: %v: %s", name, err, b)
	}
}

// offer lists a package that cannot be downloaded.
func (f *fakeApt) offer(name, version, depends string) {
	f.t.Helper()
	show := filepath.Join(f.suite, "show", name)
	old, _ := os.ReadFile(filepath.Join(f.dir, show))
	f.write(show,
		"Package: "+name+"\nSource: linux ("+version+")\nVersion: "+version+"\nDepends: "+depends+"\nDescription: x\n Depends: not this one\n\n"+string(old), 0o644)
}

// addKernel offers a kernel in four packages, as Debian did until 7.0.
func (f *fakeApt) addKernel(release, common, version string) {
	f.t.Helper()
	f.add("linux-image-"+release, version, "kmod, linux-base (>= 4.3~)", map[string]string{
		"boot/vmlinuz-" + release:                 bzImage(f.t, tinyELF(f.t)),
		"boot/config-" + release:                  fakeConfig,
		"lib/modules/" + release + "/kernel/x.ko": "a module nobody asked for",
	})
	f.addHeaders(release, common, version, "gcc-12")
}

// addSplitKernel offers a kernel in more packages, as Debian does since.
func (f *fakeApt) addSplitKernel(release, common, version, compiler string) {
	f.t.Helper()
	modules := "usr/lib/modules/" + release
	f.offer("linux-image-"+release, version,
		"linux-initramfs-tool, linux-base-"+release+" (= "+version+"), linux-binary-"+release+", linux-modules-"+release)
	f.add("linux-binary-"+release, version, "", map[string]string{modules + "/vmlinuz": bzImage(f.t, tinyELF(f.t))})
	f.add("linux-base-"+release, version, "", map[string]string{modules + "/config": fakeConfig, modules + "/System.map": "x"})
	f.addHeaders(release, common, version, compiler)
}

const fakeConfig = "CONFIG_KRETPROBES=y\n# CONFIG_FPROBE is not set\nCONFIG_DEBUG_INFO_BTF=y\nCONFIG_PREEMPT_RT=m\n"

func (f *fakeApt) addHeaders(release, common, version, compiler string) {
	f.t.Helper()
	f.offer(metaPackage(SeriesOf(release)), version, "linux-image-"+release+" (= "+version+")")
	headers := "usr/src/linux-headers-" + release
	f.add("linux-headers-"+release, version,
		"linux-headers-"+common+" (= "+version+"), linux-kbuild-6.1 (>= "+version+") | nothing, linux-compiler-"+compiler+"-x86", map[string]string{
			headers + "/.config":          fakeConfig,
			headers + "/.kernelvariables": "override ARCH = x86\nCC = $(if $(DEBIAN_KERNEL_USE_CCACHE),$(CCACHE)) $(CROSS_COMPILE)" + compiler + "\n",
			headers + "/Module.symvers":   "0x1\tregister_kretprobe\tvmlinux\tEXPORT_SYMBOL_GPL\n",
			headers + "/scripts":          "-> ../../lib/linux-kbuild-6.1/scripts",
			headers + "/tools":            "-> ../../lib/linux-kbuild-6.1/tools",
		})
	f.add("linux-headers-"+common, version, "linux-kbuild-6.1", map[string]string{"usr/src/linux-headers-" + common + "/Makefile": "all:\n"})
	f.add("linux-kbuild-6.1", version, "libc6", map[string]string{
		"usr/lib/linux-kbuild-6.1/scripts/basic/fixdep":  "fixdep",
		"usr/lib/linux-kbuild-6.1/scripts/mod/modpost":   "modpost",
		"usr/lib/linux-kbuild-6.1/tools/objtool/objtool": "objtool",
	})
}

// asked returns the requests to apt-get, and forgets them.
func (f *fakeApt) asked() []string {
	f.t.Helper()
	path := filepath.Join(f.dir, "log")
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		f.t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		f.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// bzImage wraps a kernel as the boot protocol says, with gzip and the size
// that the kernel's build appends.
func bzImage(t *testing.T, kernel []byte) string {
	t.Helper()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(kernel); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	payload := binary.LittleEndian.AppendUint32(z.Bytes(), uint32(len(kernel)))
	return string(wrapPayload(payload))
}

func wrapPayload(payload []byte) []byte {
	const setup, before = 2, 100 // sectors, and loader code before the payload
	b := make([]byte, (setup+1)*sectorSize+before)
	b[offSetupSects] = setup
	copy(b[offMagic:], "HdrS")
	binary.LittleEndian.PutUint16(b[offVersion:], 0x020f)
	binary.LittleEndian.PutUint32(b[offPayloadOffset:], before)
	binary.LittleEndian.PutUint32(b[offPayloadLength:], uint32(len(payload)))
	return append(append(b, payload...), "what follows"...)
}

// tinyELF is the smallest file that debug/elf accepts.
func tinyELF(t *testing.T) []byte {
	t.Helper()
	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(b[16:], 2)  // ET_EXEC
	binary.LittleEndian.PutUint16(b[18:], 62) // x86-64
	binary.LittleEndian.PutUint32(b[20:], 1)
	binary.LittleEndian.PutUint16(b[52:], 64)
	return b
}
