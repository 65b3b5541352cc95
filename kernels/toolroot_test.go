// SPDX-License-Identifier: MIT

package kernels

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Tools come with what they depend on, as apt would install it, without documents; they
// are fetched once.
func TestToolRoot(t *testing.T) {
	f := newFakeApt(t)
	f.write("install", "Inst libx (1.0 Debian [all])\nInst tracer (2:3.1 Debian [all])\nConf libx\n", 0o644)
	f.add("libx", "1.0", "", map[string]string{"lib/x86_64-linux-gnu/libx.so.1": "library", "usr/share/doc/libx/changelog": "x"})
	f.add("tracer", "2:3.1", "libx", map[string]string{"usr/bin/tracer": "program", "usr/share/tracer/script": "script", "usr/share/man/man1/tracer.1": "x", "etc/tracer.conf": "x"})
	opts := Options{Dir: t.TempDir()}
	dir, err := ToolRoot(t.Context(), []string{"tracer"}, opts)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"usr/bin/tracer": "program", "usr/lib/x86_64-linux-gnu/libx.so.1": "library", "usr/share/tracer/script": "script"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"usr/share/doc", "usr/share/man", "etc", "archives"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	f.asked()
	if again, err := ToolRoot(t.Context(), []string{"tracer"}, opts); again != dir || err != nil || f.asked() != nil {
		t.Errorf("asked again, it is %s, %v", again, err)
	}
}

func TestToolRootRefuses(t *testing.T) {
	f := newFakeApt(t)
	f.write("install", "", 0o644)
	for says, packages := range map[string][]string{
		"no name of a Debian package": {"a b"},
		"apt would install nothing":   {"tracer"},
	} {
		if _, err := ToolRoot(t.Context(), packages, Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", packages, err, says)
		}
	}
}
