// SPDX-License-Identifier: MIT

package kernels

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	split     = "7.3.4+deb13-amd64"
	machines  = "Types: deb\nURIs: http://mirror.example/debian\nSuites: stable\nSigned-By: /k.gpg\n"
	rootLists = "NOTE: This is only a simulation!\n" +
		"Inst make (4.4.1-2 Debian:13.8/stable [amd64])\nInst gcc-14 (14.2.0-19 Debian:13.8/stable [amd64]) []\n" +
		"Inst mawk (1:1.3.4 Debian:13.8/stable [amd64])\nConf make (4.4.1-2 Debian:13.8/stable [amd64])\n"
)

// withTrixie is a machine of bookworm, whose mirror has trixie too: Linux 7.3 in
// its backports, and what that is built with.
func withTrixie(t *testing.T) *fakeApt {
	t.Helper()
	f := withBackports(t, "a.sources", machines)
	f.suite = "trixie-backports/"
	f.addSplitKernel(split, "7.3.4+deb13-common", "7.3.4-1~bpo13+1", "gcc-14")
	f.suite = "trixie/"
	f.write("trixie/install", rootLists, 0o644)
	f.add("make", "4.4.1-2", "", map[string]string{
		"usr/bin/make": "make", "usr/share/doc/make/copyright": "long", "etc/make.conf": "x",
	})
	f.add("mawk", "1:1.3.4", "", map[string]string{"usr/bin/mawk": "mawk", "usr/bin/sh": "dash"})
	f.add("gcc-14", "14.2.0-19", "", map[string]string{
		"usr/bin/gcc-14": "-> x86_64-linux-gnu-gcc-14", "usr/bin/x86_64-linux-gnu-gcc-14": "gcc",
		"usr/lib/gcc/libgcc.a": "for programs", "lib/x86_64-linux-gnu/libc.so.6": "libc",
	})
	return f
}

func TestGetFromAnotherRelease(t *testing.T) {
	f := withTrixie(t)
	opts := Options{Dir: t.TempDir()}
	downloads := 0
	opts.Downloaded = func(n int64) {
		if n < 1000 {
			t.Errorf("%d bytes were downloaded", n)
		}
		downloads++
	}
	k, err := Get(t.Context(), "7.3", opts)
	if err != nil {
		t.Fatal(err)
	}
	if k.Release != split || k.Compiler != "gcc-14" || filepath.Base(k.CommonDir) != "linux-headers-7.3.4+deb13-common" || downloads != 2 {
		t.Errorf("%+v, after %d downloads", k, downloads)
	}
	if b, err := os.ReadFile(k.Config); err != nil || string(b) != fakeConfig {
		t.Errorf("configuration %q, %v", b, err)
	}
	if b, err := os.ReadFile(k.Vmlinux); err != nil || string(b) != string(tinyELF(t)) {
		t.Errorf("vmlinux is % x, %v", b, err)
	}
	checkRootFiles(t, k.Root)

	asked := strings.Join(f.asked(), "\n")
	for _, want := range []string{
		"download -qq linux-binary-" + split + "=7.3.4-1~bpo13+1 linux-base-" + split + "=7.3.4-1~bpo13+1 linux-headers-" + split + "=7.3.4-1~bpo13+1 linux-headers-7.3.4+deb13-common=7.3.4-1~bpo13+1 linux-kbuild-6.1=7.3.4-1~bpo13+1",
		"install --simulate --no-install-recommends -o Dir::State::status=/dev/null coreutils dash diffutils findutils grep libelf1t64 make mawk sed gcc-14",
		"download -qq make=4.4.1-2 gcc-14=14.2.0-19 mawk=1:1.3.4",
	} {
		if !strings.Contains(asked, want+"\n") && !strings.HasSuffix(asked, want) {
			t.Errorf("apt-get was not asked to %s, but to\n%s", want, asked)
		}
	}
	// All is there from here on.
	t.Setenv("PATH", "")
	again, err := Get(t.Context(), "7.3", opts)
	if err != nil {
		t.Fatal("second time: ", err)
	}
	if diff := cmp.Diff(k, again); diff != "" {
		t.Error("second time (-first +second)\n", diff)
	}
}

func checkRootFiles(t *testing.T, root string) {
	t.Helper()
	for name, there := range map[string]bool{
		"usr/bin/gcc-14": true, "bin/awk": true, "usr/lib/x86_64-linux-gnu/libc.so.6": true, "lib/x86_64-linux-gnu/libc.so.6": true,
		"proc": true, "dev": true, "tmp": true, "kernel": true, "module": true,
		"usr/share": false, "etc": false, "usr/lib/gcc/libgcc.a": false, "archives": false,
	} {
		if _, err := os.Stat(filepath.Join(root, name)); (err == nil) != there {
			t.Errorf("%s: %v, want it there: %v", name, err, there)
		}
	}
}

// What the machine tolerates of its own sources does not reach a suite that it
// does not follow.
func TestForeignSuiteIsCheckedStrictly(t *testing.T) {
	withTrixie(t)
	opts := Options{Dir: t.TempDir()}
	for _, series := range []string{"6.12", "7.3"} {
		if _, err := Get(t.Context(), series, opts); err != nil {
			t.Fatal(err)
		}
	}
	for name, strict := range map[string]bool{"backports": false, "trixie-backports": true, "trixie": true} {
		b, err := os.ReadFile(filepath.Join(opts.Dir, "apt", name, "apt.conf"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`Check-Valid-Until "true"`, `Check-Date "true"`, `Error-Mode "any"`} {
			if strings.Contains(string(b), want) != strict {
				t.Errorf("%s: %s is there: %v", name, want, !strict)
			}
		}
	}
	want := "Types: deb\nURIs: http://mirror.example/debian/\nSuites: trixie\nComponents: main\nSigned-By: /k.gpg\n"
	if b, err := os.ReadFile(filepath.Join(opts.Dir, "apt/trixie/sources.d/only.sources")); err != nil || string(b) != want {
		t.Errorf("the source is\n%s%v, want\n%s", b, err, want)
	}
}

func TestExpiredSuiteIsRefused(t *testing.T) {
	f := withTrixie(t)
	const expired = "E: Release file for http://mirror.example/debian/dists/trixie-backports/InRelease is expired"
	f.write("trixie-backports/fail-update", expired, 0o644)
	opts := Options{Dir: t.TempDir()}
	_, err := Get(t.Context(), "7.3", opts)
	if err == nil || !strings.Contains(err.Error(), "trixie-backports on its mirror cannot be had") || !strings.Contains(err.Error(), expired) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(opts.Dir, "kernels")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSuitesFor(t *testing.T) {
	for _, test := range []struct {
		series, codename string
		want             string
	}{
		{"7.3", "bookworm", "bookworm-backports trixie-backports"},
		{"7.3-cloud", "bookworm", "bookworm-backports trixie-backports"},
		{"7.3", "trixie", "trixie-backports"},
		{"6.12-rt", "trixie", "trixie-backports"},
		{"6.1", "trixie", "trixie-backports bookworm"},
		{"5.10", "bookworm", "bookworm-backports bullseye"},
		{"6.10", "bookworm", "bookworm-backports"},
	} {
		var got []string
		for _, s := range suitesFor(test.series, test.codename) {
			got = append(got, s.name)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s on %s: %v, want %s", test.series, test.codename, got, test.want)
		}
	}
}

// All that is offered by name has a home.
func TestSeriesHaveHomes(t *testing.T) {
	for _, series := range Series {
		if homes[series].name == "" || len(Series) != len(homes) {
			t.Errorf("%s has no home among %d", series, len(homes))
		}
	}
	for _, series := range All() {
		if !seriesForm.MatchString(series) {
			t.Errorf("%s cannot be asked for", series)
		}
	}
}

// Modules for old kernels are built with a compiler that this machine can have.
func TestStandIn(t *testing.T) {
	f := newFakeApt(t)
	f.write("bin/gcc-9", "", 0o755)
	t.Setenv("PATH", filepath.Join(f.dir, "bin"))
	for cc, want := range map[string]string{"gcc-10": "gcc-12", "gcc-9": "gcc-9", "gcc-14": "gcc-14"} {
		if got := onThisMachine(cc); got != want {
			t.Errorf("%s: %s, want %s", cc, got, want)
		}
	}
	f.write("bin/gcc-10", "", 0o755)
	if got := onThisMachine("gcc-10"); got != "gcc-10" {
		t.Errorf("gcc-10, which is there: %s", got)
	}
}
