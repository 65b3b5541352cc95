// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every source file says in its first lines which licence it is under: the
// modules' the kernel's, all others MIT.
func TestLicences(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "*.go", "*.s", "*.c", "*.h", "*.S", "*.sh", "*Makefile", "*Kbuild", ".ci/run")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(files) < 100 {
		t.Fatalf("%d source files are fewer than there were", len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, file))
		if os.IsNotExist(err) {
			continue // removed and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		licence := "MIT"
		switch filepath.Dir(file) {
		case "kmod/profiler", "kmod/testbed", "kmod/profilertest/poison":
			licence = "GPL-2.0-only"
		}
		head := strings.Join(strings.SplitN(string(text), "\n", 3)[:2], "\n")
		if !strings.Contains(head, "SPDX-License-Identifier: "+licence) {
			t.Errorf("%s does not begin with SPDX-License-Identifier: %s", file, licence)
		}
	}
}
