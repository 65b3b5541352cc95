// SPDX-License-Identifier: MIT

// Package guesttest boots guests from tests: a kernel from the cache, an init
// built on the spot, and a shell script to run in it.
package guesttest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"kprof-bench/guest"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
)

// Series is the kernel that tests boot unless they ask for another.
const Series = kmod.DefaultSeries

// AllSeries are the kernels that the modules support, but for those with
// PREEMPT_RT.
var AllSeries = []string{Series, kmod.NewestSeries, "5.10", "7.3"}

// Job is what the init of this package runs.
type Job struct {
	Script string `json:"script,omitempty"` // for sh
	Act    string `json:"act,omitempty"`    // or one of the init's own acts
}

// OutputKind is the kind of the record that carries a script's [Output].
const OutputKind = "output"

// Output is what a script printed, on both outputs, and its exit status.
type Output struct {
	Text   string `json:"text"`
	Status int    `json:"status"`
}

// Identity is what would differ first between two boots.
type Identity struct {
	Random []byte `json:"random"`
	Symbol string `json:"symbol"` // first line of kallsyms, moved by KASLR
	Clock  int64  `json:"clock"`
	TSC    uint64 `json:"tsc"`
}

// Exchange is whether the guest's processor has CMPXCHG16B, and the flags that it
// leaves when [ReservedFlags] were a summand before it.
type Exchange struct {
	Has   bool   `json:"has"`
	Flags uint64 `json:"flags"`
}

// ReservedFlags are flags that no processor ever sets.
const ReservedFlags = 1<<15 | 1<<5 | 1<<3

// Kernel returns the kernel that tests boot, fetched when the cache lacks it.
func Kernel(tb testing.TB) *kernels.Kernel {
	tb.Helper()
	return KernelOf(tb, Series)
}

// KernelOf is [Kernel] for another series.
func KernelOf(tb testing.TB, series string) *kernels.Kernel {
	tb.Helper()
	k, err := kernels.Get(tb.Context(), series, kernels.Options{Progress: func(s string) { tb.Log(s) }})
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

var builds sync.Map // package to func() (string, error)

// Build compiles a command for use in a guest, once per process, and returns
// the path of the executable. [RemoveBuilds] removes them all.
func Build(tb testing.TB, pkg string) string {
	tb.Helper()
	once, _ := builds.LoadOrStore(pkg, sync.OnceValues(func() (string, error) { return build(pkg) }))
	path, err := once.(func() (string, error))()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "guesttest-") })

// RemoveBuilds removes what [Build] made; call it at the end of TestMain.
func RemoveBuilds() error {
	dir, err := buildDir()
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

func build(pkg string) (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	dir, err = os.MkdirTemp(dir, "")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s for a guest: %w: %s", pkg, err, out)
	}
	return path, nil
}

// Config returns a guest that runs the job with the init of this package.
// Change what the test is about, and boot it.
func Config(tb testing.TB, job Job) guest.Config {
	tb.Helper()
	b, err := json.Marshal(job)
	if err != nil {
		tb.Fatal(err)
	}
	return guest.Config{
		Vmlinux:   Kernel(tb).Vmlinux,
		Init:      Build(tb, "kprof-bench/guest/guesttest/init"),
		Job:       b,
		Snapshots: Snapshots(tb),
	}
}

// Snapshots is the directory of snapshots that this machine's tests share.
func Snapshots(tb testing.TB) string {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(cache, "kprof-bench", "snapshots")
}

// retries are for an emulator that fails: see [guest.Config].
const retries = 2

// Boot boots the guest and fails the test when it cannot be judged.
func Boot(tb testing.TB, cfg guest.Config) *guest.Report {
	tb.Helper()
	cfg.Retries = retries
	rep, err := guest.Boot(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	for _, why := range rep.Failed {
		tb.Logf("%s; once more", why)
	}
	return rep
}

// Shell boots a guest that runs a script with busybox, the files beside it,
// and returns the report and what the script said. The output is empty when
// the guest did not come that far.
func Shell(tb testing.TB, script string, files ...guest.File) (*guest.Report, Output) {
	tb.Helper()
	cfg := Config(tb, Job{Script: script})
	cfg.Files = append([]guest.File{{Path: "/bin/busybox", Mode: 0o755, Source: Busybox(tb)}}, files...)
	rep := Boot(tb, cfg)
	var out Output
	for _, r := range rep.Records {
		if r.Kind != OutputKind {
			continue
		}
		if err := r.Decode(&out); err != nil {
			tb.Fatal(err)
		}
	}
	return rep, out
}

// Busybox returns the path of a static busybox.
func Busybox(tb testing.TB) string {
	tb.Helper()
	dir, err := kernels.Unpack(tb.Context(), "busybox-static", kernels.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	// Debian has moved /bin into /usr since.
	for _, name := range []string{"bin/busybox", "usr/bin/busybox"} {
		if path := filepath.Join(dir, name); isFile(path) {
			return path
		}
	}
	tb.Fatalf("no busybox in %s", dir)
	return ""
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
