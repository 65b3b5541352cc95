// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"kprof-bench/kmod"

	"golang.org/x/sys/unix"
)

// tool is a program of Debian's that counts and times functions.
type tool struct {
	facts   Facts
	program string // its path
	// needs is nil unless it may lack something here.
	needs func() error
	// args have it count a function until it is interrupted, and print the counts.
	args func(f Function) []string
	// parse reads what it prints.
	parse func(output string, f Function) (Reading, error)
}

func toolFacts(name, doc, limit string) Facts {
	return Facts{Name: name, Kind: Tool, Doc: doc, Limit: limit, Durations: true, NoModule: true, Lockdown: true}
}

// bpftraceProgram is how its documentation times a function.
const bpftraceProgram = `kprobe:%[1]s { @start[tid] = nsecs; } kretprobe:%[1]s /@start[tid]/ { @ns = stats(nsecs - @start[tid]); delete(@start[tid]); }`

func tools() []*tool {
	bpftrace := toolFacts("bpftrace", "bpftrace(8), stats()", "")
	bpftrace.Filter, bpftrace.Stacks, bpftrace.Histogram, bpftrace.AnyKernel = true, true, true, true
	trace := toolFacts("perf-trace", "perf-trace(1), -s", "system calls only; prints whole microseconds")
	trace.Filter = true
	latency := toolFacts("perf-ftrace-latency", "perf-ftrace(1), latency", "prints a histogram from a microsecond on")
	latency.Histogram, latency.Durations = true, false
	funclatency := toolFacts("funclatency", "funclatency-bpfcc(8)", "compiles its program with the kernel's headers; -l for calls in calls")
	funclatency.Filter, funclatency.Histogram, funclatency.AnyKernel = true, true, true
	return []*tool{
		{facts: bpftrace, program: "/usr/bin/bpftrace", args: func(f Function) []string {
			return []string{"-e", fmt.Sprintf(bpftraceProgram, f.Symbol)}
		}, parse: parseBpftrace},
		{facts: trace, program: "/usr/bin/perf", args: func(f Function) []string {
			name, _ := f.systemCall()
			return []string{"trace", "-a", "-s", "-e", name}
		}, parse: parsePerfTrace},
		{facts: latency, program: "/usr/bin/perf", args: func(f Function) []string {
			return []string{"ftrace", "latency", "-a", "-T", traceName(f)}
		}, parse: parsePerfLatency},
		{facts: funclatency, program: pythonPath, needs: needHeaders, args: func(f Function) []string {
			return []string{funclatencyPath, f.Symbol}
		}, parse: parseFunclatency},
	}
}

// toolPackages are those that the tools are in.
var toolPackages = []string{"bpftrace", "linux-perf", "bpfcc-tools"}

const pythonPath = "/usr/bin/python3.11"

// toolPrograms are the files of these packages that are run.
var toolPrograms = []string{"/usr/bin/bpftrace", "/usr/bin/perf", pythonPath}

func needHeaders() error {
	dir := filepath.Join("/lib/modules", kmod.RunningRelease(), "build")
	if _, err := os.Stat(dir); err != nil {
		return unsupported("there are no headers of this kernel in %s", dir)
	}
	return nil
}

// toolOutput is what a tool prints, kept in a file so that it never waits for a reader.
const toolOutput = "/tmp/tool-output"

// measureTools measures calls of the user's functions under each tool.
func (l *lab) measureTools(ctx context.Context) ([]Measured, error) {
	var all []Measured
	for _, t := range tools() {
		m := Measured{Facts: t.facts}
		for _, name := range l.Funcs {
			if m.Lacking != "" {
				break
			}
			l.progress(fmt.Sprintf("%s at %s", t.facts.Name, name))
			c, err := l.underTool(ctx, t, Subject{Function: FunctionOf(name)})
			if errors.Is(err, ErrNotSupported) {
				m.Lacking, err = whyUnsupported(err), nil
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.facts.Name, err)
			}
			m.Calls = append(m.Calls, c)
		}
		if m.Lacking != "" {
			m.Calls = nil
		}
		all = append(all, m)
	}
	return all, nil
}

// underTool measures calls without the tool and with it. What it counts of whoever
// makes the calls, as in driveProbed, is known from peers that were measured before.
func (l *lab) underTool(ctx context.Context, t *tool, s Subject) (c Calls, err error) {
	c.Subject = s
	if t.needs != nil {
		if err := t.needs(); err != nil {
			return c, err
		}
	}
	if c.Base, _, err = l.drive(ctx, s, callsOfRound); err != nil {
		return c, err
	}
	if c.Truth, err = l.truth(ctx, s); err != nil {
		return c, err
	}
	// Some use the ring buffer as it is; tracers have left it small.
	if err := writeTracefs("buffer_size_kb", bufferKiB); err != nil {
		return c, err
	}
	run, err := startTool(ctx, t, s.Function)
	if err != nil {
		return c, err
	}
	for range rounds {
		took, issued, err := l.drive(ctx, s, callsOfRound)
		if err != nil {
			return c, errors.Join(err, run.kill())
		}
		c.Probed = append(c.Probed, took...)
		c.Issued += issued
	}
	// It may have calls to read yet.
	if err := run.settle(); err != nil {
		return c, errors.Join(err, run.kill())
	}
	output, err := run.interrupt()
	if err != nil {
		return c, err
	}
	c.Output = output
	r, err := t.parse(output, s.Function)
	if err != nil {
		return c, fmt.Errorf("%w; it printed:\n%s", err, output)
	}
	c.Counted, c.Lost = r.Calls-min(r.Calls, rounds*l.others[s.Name]), r.Lost
	if r.Timed > 0 && r.TotalNs > 0 {
		c.Reported = []float64{r.Average()}
	}
	return c, nil
}

// running is a tool that runs.
type running struct {
	cmd   *exec.Cmd
	ended chan error
}

// How long a tool may take until it is ready, which it is when it has not used the
// processor for a while, and how long to end.
const (
	toolLimit = 10 * time.Minute
	toolStill = 2 * time.Second
	toolPoll  = 250 * time.Millisecond
)

func startTool(ctx context.Context, t *tool, f Function) (*running, error) {
	out, err := os.Create(toolOutput)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r := &running{cmd: exec.CommandContext(ctx, t.program, t.args(f)...), ended: make(chan error, 1)}
	r.cmd.Stdout, r.cmd.Stderr = out, out
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { r.ended <- r.cmd.Wait() }()
	if err := r.settle(); err != nil {
		text, _ := os.ReadFile(toolOutput)
		return nil, errors.Join(unsupported("%s: %v: %s", t.program, err, lastLine(string(text))), r.kill())
	}
	return r, nil
}

// settle waits until the tool waits.
func (r *running) settle() error {
	last, still := "", time.Duration(0)
	for begin := time.Now(); time.Since(begin) < toolLimit; {
		select {
		case err := <-r.ended:
			r.ended <- err
			return fmt.Errorf("it ended by itself: %v", err)
		case <-time.After(toolPoll):
		}
		used, err := processorTime(r.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if still += toolPoll; used != last {
			last, still = used, 0
		}
		if still >= toolStill {
			return nil
		}
	}
	return fmt.Errorf("it was not ready after %v", toolLimit)
}

// processorTime is what a process has used of the processor, with its children.
func processorTime(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	const user, end = 11, 15 // after the state: utime, stime, cutime, cstime
	if len(f) < end {
		return "", fmt.Errorf("/proc/%d/stat: %q", pid, text)
	}
	return strings.Join(f[user:end], " "), nil
}

// interrupt ends the tool as a user does, and returns what it has printed.
func (r *running) interrupt() (string, error) {
	if err := r.cmd.Process.Signal(unix.SIGINT); err != nil {
		return "", err
	}
	select {
	case <-r.ended: // many end with the signal's status
	case <-time.After(toolLimit):
		return "", errors.Join(errors.New("it does not end when it is interrupted"), r.kill())
	}
	text, err := os.ReadFile(toolOutput)
	return string(text), err
}

func (r *running) kill() error {
	err := r.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	<-r.ended
	return err
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
