// SPDX-License-Identifier: MIT

package night

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/results"
)

func file(kernel string) *results.File {
	return &results.File{
		Env:  []results.Config{{Key: "kernel", Value: kernel}},
		Rows: []results.Row{{Name: "Probe", Iters: 1, Values: []results.Value{{V: 25, Unit: "insn/op"}}}},
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is kept of a night is read again, and all else is a failure that says why.
func TestNight(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "night")
	all := []string{"5.10", "6.1", "6.12", "7.3", "8.0", "9.0"}
	if err := Begin(dir, all[:5]); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		Keep(dir, "5.10", file("5.10.1")),
		Fail(dir, Failure{"6.1", 3, "the guest ended with\nkernel oops: BUG"}),
		Keep(dir, "7.3", file("7.3.1")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "7.3.txt"), "kernel: 7.3.1\nBenchmarkProbe 1 25")
	write(t, filepath.Join(dir, "8.0.failed"), "oops\n")
	files, failed, err := Read(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*results.File{file("5.10.1")}, files); diff != "" {
		t.Errorf("results (-want +got)\n%s", diff)
	}
	want := []Failure{
		{"6.1", 3, "the guest ended with kernel oops: BUG"},
		{"6.12", 1, "it was begun and did not end"},
		{"7.3", 2, ""}, // in the words of the reader
		{"8.0", 2, "why is not to be read in 8.0.failed"},
		{"9.0", 2, "it was not measured"},
	}
	if len(failed) == len(want) {
		if failed[2].Why == "" {
			t.Error("nothing says what is wrong with a damaged file")
		}
		failed[2].Why = ""
	}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("failures (-want +got)\n%s", diff)
	}
}

// Results of another night do not pass for those of this one, nor do its failures.
func TestNightAnew(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		Keep(dir, "6.1", file("6.1.1")),
		Fail(dir, Failure{"6.12", 3, "oops"}),
		Begin(dir, []string{"6.1"}),
		Keep(dir, "6.12", file("6.12.2")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	files, failed, err := Read(dir, []string{"6.1", "6.12"})
	if err != nil || len(files) != 1 || len(failed) != 1 || failed[0].Kernel != "6.1" {
		t.Errorf("%d files, failed %v, %v", len(files), failed, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "6.12.failed")); err == nil {
		t.Error("6.12 has both results and a failure")
	}
}

func TestNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "")
	if _, _, err := Read(path, nil); err == nil {
		t.Error("a file passes for a directory")
	}
	if _, _, err := Read(path+"-not", nil); err == nil {
		t.Error("nothing passes for a directory")
	}
	if err := Begin(filepath.Join(path, "dir"), nil); err == nil {
		t.Error("a directory within a file")
	}
}
