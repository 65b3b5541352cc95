// SPDX-License-Identifier: MIT

package kmod

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/kmod/profilertest"
)

// A source file of a kind that the go:embed patterns do not name would be
// missing from every build but those in the tree.
func TestSourcesAreEmbedded(t *testing.T) {
	for dir, embedded := range map[string]fs.FS{
		"profiler": ProfilerSource(), "testbed": TestbedSource(), "profilertest/poison": profilertest.PoisonSource(),
	} {
		want := map[string]string{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			generated, err := filepath.Match("*.mod.c", e.Name())
			if err != nil {
				t.Fatal(err)
			}
			if e.IsDir() {
				t.Errorf("%s/%s is a directory, and modules are built from flat sources", dir, e.Name())
			}
			if e.Name() != "Kbuild" && !slices.Contains([]string{".c", ".h", ".S"}, filepath.Ext(e.Name())) || generated {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			want[e.Name()] = string(text)
		}
		got := map[string]string{}
		err = fs.WalkDir(embedded, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(embedded, path)
			got[path] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if want["Kbuild"] == "" || want["main.c"] == "" {
			t.Errorf("%s has no Kbuild or main.c", dir)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-in the tree +in the binary):\n%s", dir, diff)
		}
	}
}
