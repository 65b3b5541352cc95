// SPDX-License-Identifier: MIT

package history

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/results"
)

// A disk that is full, for which a limit to the size of files stands in here, leaves
// what was there and nothing else.
func TestAppendToFullDisk(t *testing.T) {
	const inChild = "KPROF_BENCH_TEST_FULL_DISK"
	if dir := os.Getenv(inChild); dir != "" {
		signal.Ignore(unix.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100, Max: 100}); err != nil {
			t.Fatal(err)
		}
		_, err := Append(dir, []*results.File{run("6.1", "icount", "overhead-insn/op", 26)}, Meta{Time: night(1)})
		t.Fatal(err) // the parent reads it
	}
	dir := exactRuns(t, 25)
	before := contents(t, dir)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inChild+"="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "add to history: write "+filepath.Join(dir, "2026")) || !strings.Contains(string(out), "file too large") {
		t.Errorf("%v: %s", err, out)
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("the history is another (-before +after):\n%s", diff)
	}
}
