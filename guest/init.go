// SPDX-License-Identifier: MIT

package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// ErrWrongNumbers marks a job's error as a verdict: the job ran in order, and
// what it measured is wrong. Any other error is a failure of the job itself.
var ErrWrongNumbers = errors.New("wrong numbers")

const (
	jobPath     = "/job"
	resultsPort = "/dev/ttyS1"

	// linger is how long the guest stays up after the job, in guest time, so
	// that a fault caused by the job's last act reaches the console.
	linger = 100 * time.Millisecond
)

// InGuest reports whether this process is the init of a guest started by
// [Boot].
func InGuest() bool {
	return os.Getpid() == 1 && os.Args[0] == InitPath
}

// Main is the whole life of a guest and never returns: it mounts what a job
// expects (proc, sys, devtmpfs, debugfs, tracefs, a tmpfs on /tmp), lets the
// kernel's warnings through to the console, says hello, runs fn with the bytes
// of [Config.Job], reports how fn ended, and powers off.
//
// A nil error of fn is [Done], one that wraps [ErrWrongNumbers] is
// [WrongNumbers], any other and a panic are [OurFailure]. The context is
// cancelled when fn returns. fn runs on the goroutine that called Main.
//
// Call it only where [InGuest] is true: it powers the machine off.
func Main(fn func(ctx context.Context, job []byte, ch *Channel) error) {
	ch, job, err := prepare()
	if err != nil {
		// Without a channel the console is the only place to say it; the host
		// shows its last lines with the boot failure.
		fmt.Fprintln(os.Stderr, "guest init:", err)
		powerOff()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := errors.New("job ended its goroutine instead of returning")
	defer func() {
		if p := recover(); p != nil {
			ended = fmt.Errorf("job panicked: %v\n%s", p, debug.Stack())
		}
		cancel()
		finish(ch, ended)
	}()
	if _, err := os.Stat(helloOnlyPath); err == nil {
		ended = nil
		return
	}
	ended = fn(ctx, job, ch)
}

func prepare() (*Channel, []byte, error) {
	if err := unpackPayload(); err != nil {
		return nil, nil, err
	}
	if err := mountAll(); err != nil {
		return nil, nil, err
	}
	if err := setUpConsole(); err != nil {
		return nil, nil, err
	}
	for name, value := range map[string]string{"PATH": "/bin:/sbin:/usr/bin:/usr/sbin", "HOME": "/"} {
		if err := os.Setenv(name, value); err != nil {
			return nil, nil, fmt.Errorf("set %s: %w", name, err)
		}
	}
	job, err := os.ReadFile(jobPath)
	if err != nil {
		return nil, nil, fmt.Errorf("read job: %w", err)
	}
	ch, err := openChannel(resultsPort)
	if err != nil {
		return nil, nil, err
	}
	hello, err := newHello()
	if err != nil {
		return nil, nil, err
	}
	return ch, job, ch.send(frameHello, hello)
}

func newHello() (helloMessage, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return helloMessage{}, fmt.Errorf("uname: %w", err)
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return helloMessage{}, fmt.Errorf("read boot time: %w", err)
	}
	return helloMessage{
		Release: unix.ByteSliceToString(uts.Release[:]),
		Uptime:  time.Duration(up.Nano()),
		CPUs:    runtime.NumCPU(),
	}, nil
}

func finish(ch *Channel, jobErr error) {
	done := doneMessage{Verdict: verdictOK}
	if jobErr != nil {
		done = doneMessage{Verdict: verdictFailed, Message: jobErr.Error()}
		if errors.Is(jobErr, ErrWrongNumbers) {
			done.Verdict = verdictWrong
		}
	}
	if err := ch.finish(done); err != nil {
		fmt.Fprintln(os.Stderr, "guest init: report the end:", err)
	}
	time.Sleep(linger)
	powerOff()
}

// powerOff never returns. Nothing is worth syncing: every file system of a
// guest is in its memory.
func powerOff() {
	err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Fprintln(os.Stderr, "guest init: power off:", err)
	select {}
}
