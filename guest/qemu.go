// SPDX-License-Identifier: MIT

package guest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// device is a part of the virtual machine that knows its QEMU arguments.
type device interface{ arguments() []string }

// board is the bare machine. Nothing is left to QEMU's defaults or to
// configuration files of the host, which would differ from host to host.
type board struct {
	vcpus, memoryMiB int
}

func (b board) arguments() []string {
	return []string{
		"-no-user-config", "-nodefaults", "-no-reboot",
		"-machine", "pc", "-display", "none", "-vga", "none", "-nic", "none",
		"-smp", strconv.Itoa(b.vcpus), "-m", strconv.Itoa(b.memoryMiB),
	}
}

// processor is the accelerator with the clock it gives the guest, and QEMU's
// name of the model; empty is the one that can most.
type processor struct {
	clock Clock
	model string
	// stuffed is for a kernel that fills the buffer of returns.
	stuffed bool
	// stopped says that the machine stops before its end, to be saved or traced.
	stopped bool
}

func (p processor) arguments() []string {
	switch p.clock {
	case ICount:
		return []string{"-accel", "tcg", "-icount", "shift=0,sleep=off" + p.alternation(), "-cpu", p.emulated()}
	case TCG:
		// With a host thread for each vCPU, QEMU 7.2 goes on executing its old
		// translation of code that the kernel has patched on another vCPU.
		return []string{"-accel", "tcg,thread=single", "-cpu", p.emulated()}
	default:
		return []string{"-accel", "kvm", "-cpu", cmp.Or(p.model, "host")}
	}
}

// alternation is what keeps QEMU's two threads on the exact clock from being at work
// at once: the lock that it has for recording what it does. Nobody wants the record.
//
// When the guest goes idle, the main thread moves virtual time on to the next timer.
// If it looks just while the processor's thread is still on its way out of the guest's
// last instructions, these are not counted yet and time is moved too far by them.
//
// A machine cannot be saved while it is recorded: the thread that does that asks for
// the time without that lock, and QEMU aborts. One that is stopped and goes on again
// and again, to be traced, has both threads wait for each other for ever now and then.
// The first does not need it: no kernel that was tried goes idle before the agent.
// Of the other what is written down is counted, and not time.
func (p processor) alternation() string {
	if p.stopped {
		return ""
	}
	return ",rr=record,rrfile=/dev/null"
}

// emulated is a model without CMPXCHG16B, unless its name says something about
// that. QEMU before 8.0 has the instruction keep flags that it works out from the
// operands of the operation before, and by the rule of one still earlier: after a
// POPF, an IRET or a conditional jump that began a block of code, it takes an
// operand for the flags. Kernels use it whenever they allocate memory, and an
// interrupt that comes next saves such flags and restores them, or a fault tells of
// them. Without it kernels do the same in some instructions more. It is kept from
// all QEMUs alike so that they count the same.
//
// With retbleed=stuff, which is for processors that all have it, kernels need it: of
// what stands in for it they take the outcome from the flags, and the code that they
// return through changes these. 6.12 frees memory twice then and does not boot.
func (p processor) emulated() string {
	model := cmp.Or(p.model, "max")
	if p.stuffed || strings.Contains(model, exchange) {
		return model
	}
	return model + ",-" + exchange
}

// exchange is QEMU's name of CMPXCHG16B.
const exchange = "cx16"

// origin fixes everything the guest could learn from the outside: random
// numbers and the time of day.
type origin struct{ seed uint64 }

func (o origin) arguments() []string {
	return []string{
		"-seed", strconv.FormatUint(o.seed, 10),
		"-rtc", "base=2024-01-01T00:00:00,clock=vm",
	}
}

// serialFile is a 16550 port whose output goes to a file of the host. A file
// never makes the port wait, as a pipe or a socket would.
type serialFile struct{ id, path string }

func (s serialFile) arguments() []string {
	return []string{
		"-chardev", fmt.Sprintf("file,id=%s,path=%s", s.id, escapeCommas(s.path)),
		"-serial", "chardev:" + s.id,
	}
}

// directKernel is a kernel entered without a boot loader.
type directKernel struct{ image, initrd, cmdline string }

func (k directKernel) arguments() []string {
	return []string{"-kernel", k.image, "-initrd", k.initrd, "-append", k.cmdline}
}

// stopper lets the guest's agent stop the machine, or does nothing when it asks
// for that.
type stopper struct{ stop bool }

func (s stopper) arguments() []string {
	action := "none"
	if s.stop {
		action = "pause"
	}
	return []string{"-device", "pvpanic", "-action", "panic=" + action}
}

// payload is what the agent fetches.
type payload struct{ path string }

func (p payload) arguments() []string {
	if p.path == "" {
		return nil
	}
	return []string{"-fw_cfg", "name=" + payloadItem + ",file=" + escapeCommas(p.path)}
}

// monitor is a connection on which QEMU is commanded: see qmp.go. It is one of
// the descriptors that QEMU inherits.
type monitor struct{ fd int }

func (m monitor) arguments() []string {
	if m.fd == 0 {
		return nil
	}
	return []string{"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d", m.fd), "-mon", "chardev=qmp,mode=control"}
}

// incoming is a snapshot to begin with: a descriptor as well.
type incoming struct{ fd int }

func (i incoming) arguments() []string {
	if i.fd == 0 {
		return nil
	}
	return []string{"-incoming", fmt.Sprintf("fd:%d", i.fd)}
}

// escapeCommas protects a value in QEMU's key=value lists.
func escapeCommas(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// ports are what QEMU reads and writes: paths of the host, and descriptors
// that it inherits. Where the zero value stands there is none.
type ports struct {
	initrd, console, results, payload string
	monitor, incoming                 int
	trace                             bool
}

// stops tells whether the machine is one that stops before its end.
func (p ports) stops() bool { return p.monitor != 0 && p.incoming == 0 || p.trace }

func qemuArguments(cfg Config, p ports) []string {
	devices := []device{
		processor{cfg.Clock, cfg.CPU, slices.Contains(cfg.Cmdline, "retbleed=stuff"), p.stops()},
		board{vcpus: cfg.VCPUs, memoryMiB: cfg.MemoryMiB},
		origin{seed: cfg.Seed},
		serialFile{id: "console", path: p.console},
		serialFile{id: "results", path: p.results},
		stopper{p.monitor != 0},
		monitor{p.monitor},
		payload{p.payload},
		directKernel{image: cfg.Vmlinux, initrd: p.initrd, cmdline: kernelCmdline(cfg)},
		incoming{p.incoming},
	}
	var args []string
	for _, d := range devices {
		args = append(args, d.arguments()...)
	}
	return args
}

// kernelCmdline returns the command line; what the caller adds comes last and
// so wins.
func kernelCmdline(cfg Config) string {
	args := []string{
		"console=ttyS0",
		// Warnings and worse, from the first message on.
		"loglevel=" + strconv.Itoa(warningsShown),
		"printk.time=1",
		// An oops ends the guest, and a panic reboots, which -no-reboot turns
		// into an exit of QEMU.
		"oops=panic", "panic=-1",
		// The self tests of ciphers are half of the boot, and in newer kernels
		// they still run beside the job.
		"cryptomgr.notests=1",
		// The Go runtime preempts by signals, and each of them is a getpid
		// call that nobody counted. Unknown to the kernel, so it becomes part
		// of init's environment.
		"GODEBUG=asyncpreemptoff=1,updatemaxprocs=0",
	}
	switch cfg.Clock {
	case ICount:
		// Calibrating timers against each other costs most of the boot's host
		// time when there is nothing to calibrate.
		args = append(args, "no_timer_check", "tsc=reliable", "nolapic_timer")
	case TCG:
		// All processors read one counter, which the kernel would doubt of a
		// processor that does not say that it ticks evenly.
		args = append(args, "no_timer_check", "tsc=reliable")
	}
	return strings.Join(append(args, cfg.Cmdline...), " ")
}
