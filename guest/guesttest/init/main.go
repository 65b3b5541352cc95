// SPDX-License-Identifier: MIT

// Command init is the first process of guests that tests boot. Its job is a
// [guesttest.Job] in JSON.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/cpu"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
)

func main() {
	if !guest.InGuest() {
		fmt.Fprintln(os.Stderr, "init: this is for guests that tests boot")
		os.Exit(2)
	}
	guest.Main(func(ctx context.Context, job []byte, ch *guest.Channel) error {
		var j guesttest.Job
		if err := json.Unmarshal(job, &j); err != nil {
			return fmt.Errorf("job: %w", err)
		}
		if j.Script != "" {
			return runScript(ctx, j.Script, ch)
		}
		act, ok := acts[j.Act]
		if !ok {
			return fmt.Errorf("no act %q", j.Act)
		}
		return act(ch)
	})
}

func runScript(ctx context.Context, script string, ch *guest.Channel) error {
	if out, err := exec.CommandContext(ctx, "/bin/busybox", "--install", "-s", "/bin").CombinedOutput(); err != nil {
		return fmt.Errorf("install busybox: %w: %s", err, out)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	return ch.Send(guesttest.OutputKind, guesttest.Output{Text: out.String(), Status: cmd.ProcessState.ExitCode()})
}

// acts are ways for a job to behave, well or badly.
var acts = map[string]func(*guest.Channel) error{
	"number":      sendNumbers,
	"wrong":       func(*guest.Channel) error { return fmt.Errorf("%w: 7 calls instead of 8", guest.ErrWrongNumbers) },
	"fail":        func(*guest.Channel) error { return errors.New("no such symbol") },
	"panic":       func(*guest.Channel) error { panic("the job lost its way") },
	"goexit":      func(*guest.Channel) error { runtime.Goexit(); return nil },
	"exit":        func(*guest.Channel) error { os.Exit(3); return nil },
	"other panic": func(*guest.Channel) error { go panic("from another goroutine"); select {} },
	"spin": func(ch *guest.Channel) error {
		for {
			runtime.KeepAlive(ch)
		}
	},
	"reboot":    func(*guest.Channel) error { return syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART) },
	"late send": sendLate,
	"shout":     shout,
	"identify":  identify,
	"mounts":    mounts,
	"exchange":  exchange,
}

func sendNumbers(ch *guest.Channel) error {
	for n := range 3 {
		if err := ch.Send("number", n); err != nil {
			return err
		}
	}
	// Every byte value must pass the serial port, and lengths and checksums are
	// where they occur. All of it fills the port's queue many times.
	for n := range 300 {
		if err := ch.Send("text", strings.Repeat("x", n)); err != nil {
			return err
		}
	}
	return nil
}

// sendLate leaves a goroutine behind that sends while the guest lingers.
func sendLate(ch *guest.Channel) error {
	go func() {
		time.Sleep(20 * time.Millisecond)
		err := ch.Send("late", 1)
		fmt.Println("late send:", err)
	}()
	return nil
}

// shout prints on the console what only the kernel may be blamed for.
func shout(*guest.Channel) error {
	fmt.Println("WARNING: CPU: 0 PID: 1 at kernel/panic.c:1 and BUG: and Call Trace: and Kernel panic - not syncing: no")
	return os.WriteFile("/dev/kmsg", []byte("<3>profiler: BUG: in a message of a module\n"), 0)
}

func identify(ch *guest.Channel) error {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	kallsyms, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		return err
	}
	first, _, _ := bytes.Cut(kallsyms, []byte("\n"))
	return ch.Send("identity", guesttest.Identity{
		Random: random, Symbol: string(first), Clock: time.Now().UnixNano(), TSC: rdtsc(),
	})
}

func mounts(ch *guest.Channel) error {
	b, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return err
	}
	st, err := os.Stat("/job")
	if err != nil {
		return err
	}
	if st.Mode().Perm() != 0o600 {
		return fmt.Errorf("/job has mode %v", st.Mode())
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 2 {
			dirs[f[1]] = f[2]
		}
	}
	printk, err := os.ReadFile("/proc/sys/kernel/printk")
	if err != nil {
		return err
	}
	dirs["console level"] = strings.Fields(string(printk))[0]
	return ch.Send("mounts", dirs)
}

// rdtsc reads the time stamp counter.
func rdtsc() uint64

// exchange tells whether the processor has CMPXCHG16B, and what it does to flags.
func exchange(ch *guest.Channel) error {
	e := guesttest.Exchange{Has: cpu.X86.HasCX16}
	if e.Has {
		var room [3]uint64
		block := (*[2]uint64)(unsafe.Pointer(&room[uintptr(unsafe.Pointer(&room))/8%2])) // as it must be aligned
		e.Flags = flagsOfExchange(guesttest.ReservedFlags, block)
	}
	return ch.Send("exchange", e)
}

// flagsOfExchange returns the flags after operand has been added to 0 and two
// words of zeros have been exchanged for the same.
func flagsOfExchange(operand uint64, block *[2]uint64) uint64
