// SPDX-License-Identifier: MIT

package kmod

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Modules that nobody has asked for go, and the tree that they are built in stays.
func TestOldModulesGo(t *testing.T) {
	dir := t.TempDir()
	long := time.Now().Add(-time.Hour)
	for i, name := range []string{"a/m.ko", "b/m.ko", "c/m.ko", "tree/lock", "d/m.ko"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		then := long.Add(time.Duration(i) * time.Minute)
		if i == 0 {
			then = time.Now() // a is the oldest and in use
		}
		if err := os.Chtimes(filepath.Dir(path), then, then); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		most int
		left []string
	}{{4, []string{"a", "b", "c", "d", "tree"}}, {2, []string{"a", "d", "tree"}}} {
		if err := removeOldest(dir, step.most); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if diff := cmp.Diff(step.left, left); diff != "" {
			t.Errorf("%d are kept (-want +got)\n%s", step.most, diff)
		}
	}
}
