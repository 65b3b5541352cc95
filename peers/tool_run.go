// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// toolOutput is what a tool prints, kept in a file so that it never waits for a reader.
const toolOutput = "/tmp/tool-output"

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
	if c.Output, err = l.watch(ctx, t, &c); err != nil {
		return c, err
	}
	r, err := t.parse(c.Output, s.Function)
	if err != nil {
		return c, fmt.Errorf("%w; it printed:\n%s", err, c.Output)
	}
	c.Counted, c.Lost = r.Calls-min(r.Calls, rounds*l.others[s.Name]), r.Lost
	if r.Timed > 0 && r.TotalNs > 0 {
		c.Reported = []float64{r.Average()}
	}
	return c, nil
}

// watch makes calls while the tool runs, and returns what it prints.
func (l *lab) watch(ctx context.Context, t *tool, c *Calls) (output string, err error) {
	// Some use the ring buffer as it is; tracers have left it small.
	if err := writeTracefs("buffer_size_kb", bufferKiB); err != nil {
		return "", err
	}
	run, err := startTool(ctx, t, c.Function)
	if err != nil {
		return "", err
	}
	for range rounds {
		took, issued, err := l.drive(ctx, c.Subject, callsOfRound)
		if err != nil {
			return "", errors.Join(err, run.kill())
		}
		c.Probed = append(c.Probed, took...)
		c.Issued += issued
	}
	// It may have calls to read yet.
	if err := run.settle(); err != nil {
		return "", errors.Join(err, run.kill())
	}
	return run.interrupt()
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
	args, err := t.args(f)
	if err != nil {
		return nil, err
	}
	out, err := os.Create(toolOutput)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r := &running{cmd: exec.CommandContext(ctx, t.program, args...), ended: make(chan error, 1)}
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
