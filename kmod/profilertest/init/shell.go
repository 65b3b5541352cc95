// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// sh runs a script with busybox, in the profiler's directory if it is there,
// and returns what it printed and its exit status.
func sh(t *T, script string) (string, int) {
	cmd := exec.Command("/bin/sh", "-c", script)
	if _, err := os.Stat(kmod.ProfilerDir); err == nil {
		cmd.Dir = kmod.ProfilerDir
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("sh: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// shOK runs a script that must succeed and returns what it printed.
func shOK(t *T, script string) string {
	out, status := sh(t, script)
	if status != 0 {
		t.Fatalf("%s: status %d: %s", script, status, out)
	}
	return out
}

// attempt makes one attempt to load profiler.ko.
func attempt(t *T, params string) error {
	f := must(os.Open(profilertest.ProfilerPath))(t)
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), params, 0)
}

// kernelLog reads what the kernel logs from now on.
type kernelLog struct{ fd int }

func openLog(t *T) *kernelLog {
	fd := must(unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0))(t)
	must(unix.Seek(fd, 0, unix.SEEK_END))(t)
	t.Cleanup(func() { unix.Close(fd) })
	return &kernelLog{fd}
}

// lines returns the messages of the kernel itself since the last call. Each is
// one record, and so one line: /dev/kmsg shows a line feed inside as \x0a.
func (l *kernelLog) lines(t *T) []string {
	var lines []string
	buf := make([]byte, 8192) // one record for each read
	for {
		n, err := unix.Read(l.fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return lines
		}
		ok(t, err)
		head, text, _ := strings.Cut(string(buf[:n]), ";")
		// The facility is above the three bits of the level; 0 is the kernel.
		if level, _, _ := strings.Cut(head, ","); len(level) != 1 {
			continue
		}
		text, _, _ = strings.Cut(text, "\n")
		if isInlined() && strings.HasSuffix(text, "/proc/vmallocinfo will not show who called it") {
			continue // it is said each time
		}
		lines = append(lines, text)
	}
}
