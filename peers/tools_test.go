// SPDX-License-Identifier: MIT

package peers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestToolOutput(t *testing.T) {
	getpid := FunctionOf("sys_getpid")
	for _, c := range []struct {
		file  string
		parse func(string, Function) (Reading, error)
		calls uint64
		least float64 // of the average
	}{
		{"bpftrace.txt", parseBpftrace, 6003, 1700},
		{"perf-trace.txt", parsePerfTrace, 6003, 2000},
		{"funclatency.txt", parseFunclatency, 6003, 1000},
		{"perf-ftrace-latency.txt", parsePerfLatency, 6003, 0},
	} {
		r, err := c.parse(captured(t, c.file), getpid)
		if err != nil || r.Calls != c.calls || r.Timed != c.calls || r.Lost != 0 {
			t.Errorf("%s: %+v, %v", c.file, r, err)
		}
		if r.Average() < c.least || r.Average() > 2*c.least {
			t.Errorf("%s: %v ns on the average", c.file, r.Average())
		}
		for _, text := range []string{"", "Attaching 2 probes...\n"} {
			if _, err := c.parse(text, getpid); err == nil {
				t.Errorf("%s: %q is no error", c.file, text)
			}
		}
	}
}

func TestToolsAdmitLosses(t *testing.T) {
	r, err := parseBpftrace(captured(t, "bpftrace.txt")+"Lost 12 events\n", Function{})
	if err != nil || r.Lost != 12 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = parsePerfTrace("LOST 3 events!\n"+captured(t, "perf-trace.txt"), FunctionOf("sys_getpid"))
	if err != nil || r.Lost != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A program comes with the libraries that it is linked with, under the names by which
// it asks for them, and links are those of the root.
func TestProgramFiles(t *testing.T) {
	root := t.TempDir()
	lib := filepath.Join(root, libraryDir)
	loader, err := filepath.EvalSymlinks(guestLoader)
	if err != nil {
		t.Skip("this machine has no such loader")
	}
	for to, from := range map[string]string{
		filepath.Join(root, "usr/bin/true"): "/bin/true",
		filepath.Join(lib, loaderName):      loader,
		filepath.Join(root, "opt/c"):        loader, // which is linked with nothing
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := programFiles(root, []string{"/usr/bin/true"}); err == nil || !strings.Contains(err.Error(), "there is no libc.so.6") {
		t.Errorf("without the library: %v", err)
	}
	if err := os.Symlink("/opt/c", filepath.Join(lib, "libc.so.6")); err != nil {
		t.Fatal(err)
	}
	files, err := programFiles(root, []string{"/usr/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		got[f.Path] = strings.TrimPrefix(f.Source, root)
	}
	want := map[string]string{guestLoader: filepath.Join(libraryDir, loaderName), "/usr/bin/true": "/usr/bin/true", guestLibDir + "/libc.so.6": "/opt/c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
