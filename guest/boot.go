// SPDX-License-Identifier: MIT

package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Report is what a guest left behind.
type Report struct {
	Ending Ending
	// Detail says in a line what the ending rests on: the oops, the job's own
	// message, the last of the console. A panic of the job brings its stack in
	// further lines. It is empty after [Done].
	Detail string

	Console string   // all of it, line feeds only
	Records []Record // in the order in which the job sent them

	Kernel   string        // uname -r; empty when the job was not reached
	CPUs     int           // online in the guest
	BootTime time.Duration // guest time from power on until the job

	QEMUVersion string        // "7.2.22"; empty when QEMU could not be asked
	Command     []string      // QEMU's, to repeat by hand
	BootWall    time.Duration // host time until the job, 0 if not reached
	Wall        time.Duration // host time of it all
	CPU         time.Duration // processor time that QEMU used
}

// Boot runs a guest to its end and reports how it ended; whatever happens in
// the guest or to QEMU is an [Ending]. The error is for what kept a guest from
// being judged at all: a mistake in cfg, a file that cannot be read, or ctx,
// whose cause is then wrapped. Then the report is nil. QEMU is gone when Boot
// returns, in every case.
func Boot(ctx context.Context, cfg Config) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	f, err := openPortFiles(cfg)
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	defer f.close()
	return run(ctx, cfg, f)
}

func run(ctx context.Context, cfg Config, f *portFiles) (*Report, error) {
	args := qemuArguments(cfg, f.paths())
	rep := &Report{Command: append([]string{cfg.QEMU}, args...), QEMUVersion: QEMUVersion(ctx, cfg.QEMU)}
	begin := time.Now()
	p, err := startProcess(cfg.QEMU, args, f.all(), cfg.Clock == ICount)
	if err != nil {
		rep.Ending, rep.Detail = OurFailure, startAdvice(cfg.QEMU, err)
		return rep, nil
	}
	s := &session{cfg: cfg}
	s.watch(ctx, &qemuMachine{process: p, console: tail{r: f.console}, results: tail{r: f.results}})
	if s.stopped == stopCancel {
		return nil, fmt.Errorf("guest: %w", context.Cause(ctx))
	}
	rep.Wall, rep.CPU = time.Since(begin), p.cpuTime()
	rep.Ending, rep.Detail = s.judge(p.err, p.said())
	rep.Console, rep.Records, rep.BootWall = s.console.text.String(), s.records, s.bootWall
	if s.hello != nil {
		rep.Kernel, rep.CPUs, rep.BootTime = s.hello.Release, s.hello.CPUs, s.hello.Uptime
	}
	return rep, nil
}

// QEMUVersion returns the version that the emulator states, like "7.2.22", or
// nothing when it cannot be run.
func QEMUVersion(ctx context.Context, qemu string) string {
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(out), "version ")
	if fields := strings.Fields(rest); len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// portFiles are the guest's initramfs and what it writes on its ports: memory
// files, reached by QEMU through the descriptors it inherits. They have no
// name, so no way of dying leaves one behind.
type portFiles struct{ initrd, console, results *os.File }

func openPortFiles(cfg Config) (f *portFiles, err error) {
	f = &portFiles{}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	for name, p := range map[string]**os.File{"initrd": &f.initrd, "console": &f.console, "results": &f.results} {
		if *p, err = memFile(name); err != nil {
			return nil, err
		}
	}
	return f, writeInitramfs(f.initrd, cfg)
}

// all lists the files in the order that paths counts on.
func (f *portFiles) all() []*os.File { return []*os.File{f.initrd, f.console, f.results} }

// paths are QEMU's names for them: descriptors passed on start at 3.
func (f *portFiles) paths() ports {
	return ports{initrd: "/proc/self/fd/3", console: "/proc/self/fd/4", results: "/proc/self/fd/5"}
}

func (f *portFiles) close() {
	for _, file := range f.all() {
		if file != nil {
			file.Close()
		}
	}
}

// qemuMachine is the machine that session.watch follows.
type qemuMachine struct {
	*process
	console, results tail
}

func (m *qemuMachine) readConsole() ([]byte, error) { return m.console.read() }
func (m *qemuMachine) readResults() ([]byte, error) { return m.results.read() }
