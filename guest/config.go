// SPDX-License-Identifier: MIT

package guest

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Clock says what drives the guest's processors and its time.
type Clock string

const (
	// ICount emulates one processor whose time is the number of instructions
	// executed, one per nanosecond. Runs repeat exactly.
	ICount Clock = "icount"
	// TCG emulates several processors in turn on one host thread, in host
	// time. Its numbers mean nothing; it is there for races.
	TCG Clock = "tcg"
	// KVM runs on the host's processor in real time. Whether it works here is
	// for [ProveKVM] to say.
	KVM Clock = "kvm"
)

// Config describes one guest. Vmlinux and Init are required; every other zero
// value stands for the default named with the field.
type Config struct {
	// Vmlinux is an uncompressed kernel that can be entered through PVH.
	Vmlinux string
	// Init is a static ELF executable that becomes the guest's init, at
	// [InitPath]; it calls [Main].
	Init string
	// Files are put into the guest's root besides Init.
	Files []File
	// Job is handed to the function that Init gave to [Main].
	Job []byte

	Clock     Clock  // ICount
	VCPUs     int    // 1 with ICount, 2 otherwise
	MemoryMiB int    // 512
	Seed      uint64 // 1; decides the kernel's randomness, KASLR included
	// CPU is QEMU's name of the processor's model: max, or host with KVM. One that
	// is emulated has no CMPXCHG16B if the name does not say +cx16 and the kernel
	// need not have it.
	CPU string
	// Cmdline is added to the kernel command line.
	Cmdline []string

	// BootLimit is how long the guest may take, in host time, until the job
	// starts: 2 minutes.
	BootLimit time.Duration
	// SilenceLimit is how long the guest may say nothing on either port, in
	// host time, once the job has started: 5 minutes.
	SilenceLimit time.Duration

	// Retries is how often a guest is started anew whose emulator failed (see
	// [Report.EmulationFailed]), as a machine that differs from it in no more
	// than the moments at which things happen. OnRecord and OnConsole get what
	// each of them says.
	Retries int

	// OnRecord is called for each record as it arrives, in order, never from
	// two goroutines at once.
	OnRecord func(Record)
	// OnConsole receives the console as it arrives. When it fails it is not
	// called again; the guest goes on.
	OnConsole io.Writer

	// OnTrace gets QEMU's log of each stretch of instructions that the guest wants
	// to be traced, by writing to [TracePort], one instruction at a time. It needs
	// [ICount] and Snapshots, and is called from another goroutine than OnRecord.
	OnTrace func(log []byte)

	// Snapshots is a directory where snapshots of machines are kept, made when
	// there is none. A guest whose snapshot is there starts from it, with [ICount]
	// to the digit like one that boots. Empty means that it boots; with [KVM] it
	// always does.
	Snapshots string

	// QEMU is the emulator's name or path: qemu-system-x86_64.
	QEMU string
}

// File is a file in the guest's root. Directories above it are made.
type File struct {
	Path   string      // in the guest
	Mode   fs.FileMode // permission bits; 0 means 0644
	Data   []byte      // the content, unless Source is given
	Source string      // a file of the host to copy the content from
}

const (
	defaultMemoryMiB    = 512
	defaultSeed         = 1
	defaultBootLimit    = 2 * time.Minute
	defaultSilenceLimit = 5 * time.Minute
	defaultQEMU         = "qemu-system-x86_64"
)

func (c Config) withDefaults() Config {
	setDefault(&c.Clock, ICount)
	vcpus := 2
	if c.Clock == ICount {
		vcpus = 1
	}
	setDefault(&c.VCPUs, vcpus)
	setDefault(&c.MemoryMiB, defaultMemoryMiB)
	setDefault(&c.Seed, defaultSeed)
	setDefault(&c.BootLimit, defaultBootLimit)
	setDefault(&c.SilenceLimit, defaultSilenceLimit)
	setDefault(&c.QEMU, defaultQEMU)
	return c
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// check reports mistakes of the caller, before anything is started.
func (c Config) check() error {
	switch c.Clock {
	case ICount, TCG, KVM:
	default:
		return fmt.Errorf("unknown clock %q: use %s, %s or %s", c.Clock, ICount, TCG, KVM)
	}
	if c.Clock == ICount && c.VCPUs != 1 {
		return fmt.Errorf("clock %s needs 1 vCPU, not %d: QEMU counts the instructions of one processor, and a second one never starts; use clock %s for more",
			ICount, c.VCPUs, TCG)
	}
	if c.VCPUs < 1 || c.MemoryMiB < 1 {
		return fmt.Errorf("a guest cannot have %d vCPUs and %d MiB of memory", c.VCPUs, c.MemoryMiB)
	}
	if err := c.checkTrace(); err != nil {
		return err
	}
	for _, arg := range c.Cmdline {
		if strings.ContainsAny(arg, "\n\x00") {
			return fmt.Errorf("kernel argument %q holds a line break or a zero byte", arg)
		}
	}
	if _, err := os.Stat(c.Vmlinux); err != nil {
		return fmt.Errorf("kernel image: %w", err)
	}
	return checkInit(c.Init)
}

func (c Config) checkTrace() error {
	switch {
	case c.OnTrace == nil:
		return nil
	case c.Clock != ICount || c.Snapshots == "":
		return fmt.Errorf("a guest is traced on clock %s alone, and only from a snapshot", ICount)
	case c.Retries > 0:
		return errors.New("a guest that is traced is not started anew: what was traced would be there twice")
	}
	return nil
}

// checkInit refuses what the kernel could not start: it would say no more than
// "No working init found".
func checkInit(path string) error {
	f, err := elf.Open(path)
	var unreadable *fs.PathError
	switch {
	case errors.As(err, &unreadable):
		return fmt.Errorf("init: %w", err)
	case err != nil:
		return fmt.Errorf("init %s is no ELF executable: %w", path, err)
	}
	defer f.Close()
	if f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("init %s is built for %v, the guest is x86-64", path, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("init %s is linked dynamically, and a guest has no libraries: build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}
