// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// fakeQEMU returns the path of an emulator that does nothing.
func fakeQEMU(t *testing.T, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qemu")
	script := "#!/bin/sh\necho QEMU emulator version " + version + "\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever could make the machine another one gives it another snapshot, and
// nothing else does.
func TestSnapshotOfItsOwn(t *testing.T) {
	qemu, dir := fakeQEMU(t, "7.2.22"), t.TempDir()
	kernel := hostFile(t, "a kernel")
	path := func(edit func(*Config)) string {
		cfg := Config{Vmlinux: kernel, QEMU: qemu, Snapshots: dir}
		edit(&cfg)
		s, err := newSnapshot(t.Context(), cfg.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		return s.path
	}
	same := path(func(*Config) {})
	for name, edit := range map[string]func(*Config){
		"init":               func(c *Config) { c.Init = "another" },
		"job":                func(c *Config) { c.Job = []byte("another") },
		"files":              func(c *Config) { c.Files = []File{{Path: "x"}} },
		"kernel's file name": func(c *Config) { c.Vmlinux = hostFile(t, "a kernel") },
	} {
		if path(edit) != same {
			t.Errorf("another %s has another snapshot", name)
		}
	}
	all := []string{same}
	for name, edit := range map[string]func(*Config){
		"kernel":           func(c *Config) { c.Vmlinux = hostFile(t, "b kernel") },
		"seed":             func(c *Config) { c.Seed = 2 },
		"memory":           func(c *Config) { c.MemoryMiB = 256 },
		"model":            func(c *Config) { c.CPU = "EPYC" },
		"clock":            func(c *Config) { c.Clock = TCG },
		"number of vCPUs":  func(c *Config) { c.Clock, c.VCPUs = TCG, 3 },
		"command line":     func(c *Config) { c.Cmdline = []string{"slab_nomerge"} },
		"version of QEMU":  func(c *Config) { c.QEMU = fakeQEMU(t, "7.2.23") },
		"QEMU's very file": func(c *Config) { c.QEMU = fakeQEMU(t, "7.2.22") },
	} {
		p := path(edit)
		if slices.Contains(all, p) {
			t.Errorf("another %s has the same snapshot", name)
		}
		all = append(all, p)
	}
}

// A snapshot that is not whole to the byte, or is another machine's, is none.
func TestDamagedSnapshot(t *testing.T) {
	s := &snapshot{path: filepath.Join(t.TempDir(), "a.snapshot"), key: [32]byte{7}}
	stream := []byte("what QEMU wrote")
	sum, err := sumOf(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	whole := append(slices.Clone(stream), s.end(int64(len(stream)), sum)...)
	other := &snapshot{key: [32]byte{8}}
	flipped := slices.Clone(whole)
	flipped[3] ^= 4
	for name, test := range map[string]struct {
		content []byte
		good    bool
	}{
		"whole":            {whole, true},
		"a flipped bit":    {flipped, false},
		"cut off":          {whole[:len(whole)-1], false},
		"cut off early":    {whole[:5], false},
		"a byte too much":  {append(slices.Clone(whole), 0), false},
		"nothing":          {nil, false},
		"another's":        {append(slices.Clone(stream), other.end(int64(len(stream)), sum)...), false},
		"a shorter stream": {whole[1:], false},
	} {
		if err := os.WriteFile(s.path, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := s.openWhole()
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
		if f != nil {
			f.Close()
		}
	}
}
