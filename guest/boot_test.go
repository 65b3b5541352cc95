// SPDX-License-Identifier: MIT

package guest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
)

// Seeds that find a test's QEMU among all processes.
const (
	cancelSeed = 7130001
	killedSeed = 7130002
)

// These tests boot real guests, one processor each.

func TestEndings(t *testing.T) {
	t.Parallel()
	panicked := func(text string) func(string) bool {
		return func(d string) bool {
			return strings.HasPrefix(d, "job panicked: "+text) && strings.Contains(d, "main.go:")
		}
	}
	tests := map[string]struct {
		job    guesttest.Job
		edit   func(*guest.Config)
		ending guest.Ending
		detail func(string) bool
	}{
		"job is done":           {job: guesttest.Job{Act: "shout"}, ending: guest.Done, detail: equals("")},
		"job finds it wrong":    {job: guesttest.Job{Act: "wrong"}, ending: guest.WrongNumbers, detail: equals("wrong numbers: 7 calls instead of 8")},
		"job fails":             {job: guesttest.Job{Act: "fail"}, ending: guest.OurFailure, detail: equals("no such symbol")},
		"job panics":            {job: guesttest.Job{Act: "panic"}, ending: guest.OurFailure, detail: panicked("the job lost its way")},
		"job ends its routine":  {job: guesttest.Job{Act: "goexit"}, ending: guest.OurFailure, detail: equals("job ended its goroutine instead of returning")},
		"init exits":            {job: guesttest.Job{Act: "exit"}, ending: guest.OurFailure, detail: contains("Attempted to kill init! exitcode=0x00000300")},
		"init panics elsewhere": {job: guesttest.Job{Act: "other panic"}, ending: guest.OurFailure, detail: equals("the job's process died: panic: from another goroutine")},
		"goroutine sends late":  {job: guesttest.Job{Act: "late send"}, ending: guest.Done, detail: equals("")},
		"guest resets":          {job: guesttest.Job{Act: "reboot"}, ending: guest.KernelOops, detail: contains("went down before the job was done")},
		"job spins": {
			job:    guesttest.Job{Act: "spin"},
			edit:   func(c *guest.Config) { c.SilenceLimit = 500 * time.Millisecond },
			ending: guest.Hang, detail: contains("no output for 500ms"),
		},
		"no root file system": {
			edit:   func(c *guest.Config) { c.Cmdline, c.Snapshots = []string{"rdinit=/nowhere"}, "" },
			ending: guest.BootFailure, detail: contains("Kernel panic - not syncing: "),
		},
		"init is a stranger": {
			edit: func(c *guest.Config) {
				c.Init, c.BootLimit = guesttest.Busybox(t), 6*time.Second
			},
			ending: guest.BootFailure, detail: contains("the job did not start within 6s"),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := guesttest.Config(t, test.job)
			if test.edit != nil {
				test.edit(&cfg)
			}
			rep := guesttest.Boot(t, cfg)
			if rep.Ending != test.ending || !test.detail(rep.Detail) {
				t.Errorf("ending %v, want %v; detail: %s\nconsole:\n%s", rep.Ending, test.ending, rep.Detail, rep.Console)
			}
		})
	}
}

func equals(want string) func(string) bool { return func(s string) bool { return s == want } }
func contains(want string) func(string) bool {
	return func(s string) bool { return strings.Contains(s, want) }
}

func TestRecords(t *testing.T) {
	var live []guest.Record
	var console bytes.Buffer
	cfg := guesttest.Config(t, guesttest.Job{Act: "number"})
	cfg.OnRecord = func(r guest.Record) { live = append(live, r) }
	cfg.OnConsole = &console
	rep := guesttest.Boot(t, cfg)
	if rep.Ending != guest.Done {
		t.Fatalf("%v: %s\n%s", rep.Ending, rep.Detail, rep.Console)
	}
	if diff := cmp.Diff(rep.Records, live); diff != "" {
		t.Error("records as they arrived differ (-report +live):\n", diff)
	}
	if len(rep.Records) != 303 {
		t.Fatalf("%d records, want 303", len(rep.Records))
	}
	for i, r := range rep.Records[:3] {
		var n int
		if err := r.Decode(&n); err != nil || n != i || r.Kind != "number" {
			t.Errorf("record %d: %s = %d, %v", i, r.Kind, n, err)
		}
	}
	for n, r := range rep.Records[3:] {
		var text string
		if err := r.Decode(&text); err != nil || text != strings.Repeat("x", n) {
			t.Errorf("text of %d bytes arrived as %q, %v", n, text, err)
		}
	}
	if got := strings.ReplaceAll(console.String(), "\r", ""); got != rep.Console {
		t.Error("console as it arrived differs:\n", cmp.Diff(rep.Console, got))
	}
	k := guesttest.Kernel(t)
	if rep.Kernel != k.Release || rep.CPUs != 1 || rep.QEMUVersion == "" || rep.BootTime <= 0 || rep.CPU <= 0 {
		t.Errorf("guest describes itself as %q with %d CPUs, QEMU %q, booted in %v with %v of CPU", rep.Kernel, rep.CPUs, rep.QEMUVersion, rep.BootTime, rep.CPU)
	}
}

func TestKernelComplains(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ script, detail string }{
		// The stock ways to make a stock kernel complain.
		"crash":       {"echo c > /proc/sysrq-trigger", "Kernel panic - not syncing: sysrq triggered crash"},
		"stack trace": {"echo l > /proc/sysrq-trigger", "Call Trace:"},
		// What a fault in the job's last act looks like: the job reports
		// success first, and the kernel complains while the guest lingers.
		"after the end": {"(sleep 0.05; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &", "Kernel panic - not syncing: sysrq triggered crash"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep, _ := guesttest.Shell(t, test.script)
			if rep.Ending != guest.KernelOops || !strings.HasPrefix(rep.Detail, test.detail) {
				t.Errorf("%v: %s\n%s", rep.Ending, rep.Detail, rep.Console)
			}
		})
	}
}

func TestShell(t *testing.T) {
	rep, out := guesttest.Shell(t, "cat /etc/motd /root/deep/er; ls -l /root/deep | grep -c rwx------; echo $PATH; cat /proc/sys/kernel/printk; exit 3",
		guest.File{Path: "/etc/motd", Data: []byte("hello\n")},
		guest.File{Path: "root/deep/er", Mode: 0o700, Data: []byte("there\n")})
	if rep.Ending != guest.Done {
		t.Fatalf("%v: %s\n%s", rep.Ending, rep.Detail, rep.Console)
	}
	want := guesttest.Output{Text: "hello\nthere\n1\n/bin:/sbin:/usr/bin:/usr/sbin\n5\t4\t1\t7\n", Status: 3}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

func TestMounts(t *testing.T) {
	cfg := guesttest.Config(t, guesttest.Job{Act: "mounts"})
	cfg.Cmdline = []string{"quiet"}
	rep := guesttest.Boot(t, cfg)
	if rep.Ending != guest.Done || len(rep.Records) != 1 {
		t.Fatalf("%v: %s\n%s", rep.Ending, rep.Detail, rep.Console)
	}
	var got map[string]string
	if err := rep.Records[0].Decode(&got); err != nil {
		t.Fatal(err)
	}
	for dir, fstype := range map[string]string{
		"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/tmp": "tmpfs",
		"/sys/kernel/debug": "debugfs", "/sys/kernel/tracing": "tracefs",
		// Whatever the command line says, warnings are let through.
		"console level": "5",
	} {
		if got[dir] != fstype {
			t.Errorf("%s is %q, want %s", dir, got[dir], fstype)
		}
	}
}

// TestSameDigits runs guests at once, on a host that is busy with the others: two
// that boot, two from a snapshot, and one with another seed.
func TestSameDigits(t *testing.T) {
	cfg := guesttest.Config(t, guesttest.Job{Act: "identify"})
	var reps [5]*guest.Report
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range reps {
		cfg := cfg
		switch i {
		case 0, 1:
			cfg.Snapshots = ""
		case 2, 3:
			cfg.Snapshots = dir
		case 4:
			cfg.Seed, cfg.Snapshots = 2, ""
		}
		wg.Go(func() {
			rep, err := guest.Boot(t.Context(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			if rep.Restored != (cfg.Snapshots != "") {
				t.Errorf("guest %d: restored is %v: %s", i, rep.Restored, rep.NotRestored)
			}
			reps[i] = rep
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	if all, err := filepath.Glob(filepath.Join(dir, "*.snapshot")); len(all) != 1 {
		t.Errorf("two guests made %d snapshots, want one: %v", len(all), err)
	}
	identity := func(rep *guest.Report) (id guesttest.Identity) {
		t.Helper()
		if rep.Ending != guest.Done || len(rep.Records) != 1 {
			t.Fatalf("%v: %s\n%s", rep.Ending, rep.Detail, rep.Console)
		}
		if err := rep.Records[0].Decode(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	if most := 900 * time.Millisecond; reps[0].BootTime > most {
		t.Errorf("%d instructions until the job, %d at the most are wanted", reps[0].BootTime, most)
	}
	for i, rep := range reps[1:4] {
		if diff := cmp.Diff(identity(reps[0]), identity(rep)); diff != "" {
			t.Errorf("guest %d differs from its like:\n%s", i+1, diff)
		}
		if reps[0].BootTime != rep.BootTime {
			t.Errorf("guest %d was up after %v, its like after %v", i+1, rep.BootTime, reps[0].BootTime)
		}
	}
	for _, pair := range [][2]int{{0, 1}, {2, 3}} {
		if diff := cmp.Diff(reps[pair[0]].Console, reps[pair[1]].Console); diff != "" {
			t.Errorf("guests %v differ on the console:\n%s", pair, diff)
		}
	}
	if a, b := identity(reps[0]), identity(reps[4]); bytes.Equal(a.Random, b.Random) {
		t.Errorf("random bytes %x do not depend on the seed", a.Random)
	}
}

func TestTwoCPUs(t *testing.T) {
	cfg := guesttest.Config(t, guesttest.Job{Act: "number"})
	cfg.Clock = guest.TCG
	rep := guesttest.Boot(t, cfg)
	if rep.Ending != guest.Done || rep.CPUs != 2 {
		t.Errorf("%v on %d CPUs: %s\n%s", rep.Ending, rep.CPUs, rep.Detail, rep.Console)
	}
}

func TestQEMUTrouble(t *testing.T) {
	dir := t.TempDir()
	refuses := filepath.Join(dir, "qemu-old")
	script := "#!/bin/sh\necho \"$0: -seed: invalid option\" >&2\nexit 1\n"
	if err := os.WriteFile(refuses, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ qemu, detail string }{
		"not installed":         {"qemu-system-nowhere", "apt-get install qemu-system-x86"},
		"path leads nowhere":    {filepath.Join(dir, "none"), "apt-get install qemu-system-x86"},
		"refuses its arguments": {refuses, "qemu-old: -seed: invalid option"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := guesttest.Config(t, guesttest.Job{Act: "number"})
			cfg.QEMU = test.qemu
			rep := guesttest.Boot(t, cfg)
			if rep.Ending != guest.OurFailure || !strings.Contains(rep.Detail, test.detail) {
				t.Errorf("%v: %s", rep.Ending, rep.Detail)
			}
		})
	}
}

func TestCancelLeavesNoQEMU(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("somebody pressed a key")
	cfg := guesttest.Config(t, guesttest.Job{Act: "spin"})
	cfg.Seed, cfg.Snapshots = cancelSeed, ""
	cfg.OnConsole = writerFunc(func(p []byte) (int, error) {
		if len(qemus(t, cancelSeed)) != 1 {
			t.Error("the guest's QEMU cannot be found")
		}
		cancel(stop)
		return len(p), nil
	})
	rep, err := guest.Boot(ctx, cfg)
	if rep != nil || !errors.Is(err, stop) {
		t.Errorf("report %v, error %v; want none and %v", rep, err, stop)
	}
	if left := qemus(t, cancelSeed); len(left) > 0 {
		t.Errorf("QEMU is still there: %v", left)
	}
}

func TestKillLeavesNoQEMU(t *testing.T) {
	cfg := guesttest.Config(t, guesttest.Job{})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), bootVariable+"="+cfg.Vmlinux, bootVariable+"_INIT="+cfg.Init)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Its console says that the guest is running.
	if _, err := io.ReadAtLeast(out, make([]byte, 1), 1); err != nil {
		t.Error(err)
	}
	running := qemus(t, killedSeed)
	if len(running) != 1 {
		t.Errorf("%d QEMU processes, want 1", len(running))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // "signal: killed"
	// The kernel sends the signal at once; what it kills needs a moment.
	deadline := time.Now().Add(time.Minute)
	for len(qemus(t, killedSeed)) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("QEMU outlived its parent: %v", running)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// qemus returns the running processes of QEMU with that seed. One that has
// died and waits for its parent has no command line any more.
func qemus(t *testing.T, seed uint64) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	want := "\x00-seed\x00" + strconv.FormatUint(seed, 10) + "\x00"
	var found []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(b), want) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, pid)
		}
	}
	return found
}
