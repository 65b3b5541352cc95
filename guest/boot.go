// SPDX-License-Identifier: MIT

package guest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
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

	// Failed are the details of guests that did the same before, in which QEMU's
	// emulation failed: see [Config].Retries.
	Failed []string

	Console string   // all of it, line feeds only
	Records []Record // in the order in which the job sent them

	Kernel   string        // uname -r; empty when the job was not reached
	CPUs     int           // online in the guest
	BootTime time.Duration // guest time from power on until the job

	Restored    bool          // from a snapshot
	NotRestored string        // why it booted though [Config.Snapshots] was given
	QEMUVersion string        // "7.2.22"; empty when QEMU could not be asked
	Command     []string      // QEMU's, to repeat by hand
	BootWall    time.Duration // host time until the job, 0 if not reached
	BootCPU     time.Duration // processor time that QEMU used until the job
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
	var failed []string
	for {
		rep, err := bootOnce(ctx, cfg)
		if err != nil {
			return nil, err
		}
		rep.Failed = failed
		if !rep.EmulationFailed() || len(failed) == cfg.Retries {
			return rep, nil
		}
		failed = append(failed, rep.Detail)
		cfg = cfg.another(len(failed))
	}
}

// another returns a guest that does the same at other moments. One that is the
// same to the digit would fail in the same way.
func (c Config) another(n int) Config {
	// No module has that parameter, so the kernel passes it over.
	c.Cmdline = append(slices.Clone(c.Cmdline), fmt.Sprintf("kprof_bench.retry=%d", n))
	c.Snapshots = ""
	return c
}

func bootOnce(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.Snapshots == "" || cfg.Clock == KVM {
		return start(ctx, cfg, boot, nil)
	}
	rep, err := restore(ctx, cfg)
	if err == nil || context.Cause(ctx) != nil || cfg.OnTrace != nil {
		return rep, err
	}
	// No reason not to boot: the machine may be one that does not come up, and
	// the disk full.
	trouble := err
	if rep, err = start(ctx, cfg, boot, nil); rep != nil {
		rep.NotRestored = trouble.Error()
	}
	return rep, err
}

// restore runs a guest from a snapshot, which is made if there is none. An error
// means that the guest did not start from it.
func restore(ctx context.Context, cfg Config) (*Report, error) {
	s, err := newSnapshot(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	from, err := s.open(ctx, cfg)
	if err != nil {
		return nil, cmp.Or(cancelled(ctx), fmt.Errorf("guest: make a snapshot: %w", err))
	}
	defer from.Close()
	rep, err := start(ctx, cfg, resume, from)
	if errors.Is(err, errNoResume) {
		_ = os.Remove(s.path) // QEMU does not like it
	}
	return rep, err
}

// errNoResume says that a machine did not start from its snapshot, for which the
// guest itself is not to blame.
var errNoResume = errors.New("no start from the snapshot")

func cancelled(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	return nil
}

// start runs a guest to its end, from a snapshot or not.
func start(ctx context.Context, cfg Config, how beginning, from *os.File) (*Report, error) {
	f, err := openPortFiles(ctx, cfg, how)
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	defer f.close()
	if from != nil {
		f.inherit(from, &f.ports.incoming)
	}
	if cfg.OnTrace != nil {
		if f.trace, err = f.add("trace", &f.tracePath); err != nil {
			return nil, fmt.Errorf("guest: %w", err)
		}
		f.ports.trace = true
	}
	args := qemuArguments(cfg, f.ports)
	rep := &Report{Command: append([]string{cfg.QEMU}, args...), QEMUVersion: QEMUVersion(ctx, cfg.QEMU), Restored: from != nil}
	begin := time.Now()
	p, err := startProcess(cfg.QEMU, args, f, cfg.Clock == ICount)
	if err != nil {
		rep.Ending, rep.Detail = OurFailure, startAdvice(cfg.QEMU, err)
		return rep, nil
	}
	if from != nil {
		f.closeFar()
		if err := f.monitor.resume(); err != nil {
			p.kill()
			return nil, cmp.Or(cancelled(ctx), fmt.Errorf("guest: %w: %w: %s", errNoResume, err, p.said()))
		}
	}
	tracer, err := f.startTracer(cfg, p)
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("guest: %w", err)
	}
	s := &session{cfg: cfg, started: begin}
	s.watch(ctx, &qemuMachine{process: p, console: tail{r: f.console}, results: tail{r: f.results}})
	if err := tracer.wait(); err != nil {
		return nil, cmp.Or(cancelled(ctx), fmt.Errorf("guest: %w", err))
	}
	if s.stopped == stopCancel {
		return nil, cancelled(ctx)
	}
	rep.Wall, rep.CPU = time.Since(begin), p.cpuTime()
	rep.Ending, rep.Detail = s.judge(p.err, p.said())
	rep.Console, rep.Records, rep.BootWall, rep.BootCPU = s.console.text.String(), s.records, s.bootWall, s.bootCPU
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

// qemuMachine is the machine that session.watch follows.
type qemuMachine struct {
	*process
	console, results tail
}

func (m *qemuMachine) readConsole() ([]byte, error) { return m.console.read() }
func (m *qemuMachine) readResults() ([]byte, error) { return m.results.read() }
