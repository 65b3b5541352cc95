// SPDX-License-Identifier: MIT

package guest

import (
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// TracePort is the I/O port that a guest writes a 1 to where [Config].OnTrace is
// given: once before what is to be traced and once after it.
const TracePort = 0x505 // QEMU's pvpanic, which stops the machine

// tracer has QEMU write down the instructions that a guest wants to be traced. The
// machine stands still while that is switched on and off, and feels nothing of it
// but the stop.
type tracer struct {
	monitor *qmp
	log     *os.File
	path    string // of the log, as QEMU sees it
	on      func(text []byte)

	done chan struct{}
	err  error // read after done
}

// startTracer returns nil if the guest is not to be traced.
func (f *portFiles) startTracer(cfg Config, p *process) (*tracer, error) {
	if cfg.OnTrace == nil {
		return nil, nil
	}
	return startTracer(f.monitor, f.trace, f.tracePath, cfg.OnTrace, p.kill)
}

// startTracer follows the guest until QEMU is gone. If that fails it calls kill,
// because the guest stands still then.
func startTracer(q *qmp, log *os.File, path string, on func([]byte), kill func()) (*tracer, error) {
	if err := q.conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	t := &tracer{monitor: q, log: log, path: path, on: on, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		if t.err = t.follow(); t.err != nil {
			kill()
		}
	}()
	return t, nil
}

// wait returns what went wrong, once QEMU is gone.
func (t *tracer) wait() error {
	if t == nil {
		return nil
	}
	<-t.done
	return t.err
}

func (t *tracer) follow() error {
	for begin := true; ; begin = !begin {
		if t.monitor.wait("GUEST_PANICKED") != nil || t.monitor.wait("STOP") != nil {
			return nil // it has ended
		}
		if err := t.toggle(begin); err != nil {
			return fmt.Errorf("trace the guest: %w", err)
		}
		if err := t.monitor.do("cont", nil, nil); err != nil {
			return fmt.Errorf("trace the guest: %w", err)
		}
	}
}

func (t *tracer) toggle(begin bool) error {
	if begin {
		return t.begin()
	}
	return t.end()
}

// begin has QEMU log each instruction as it is executed. One in a block of
// translated code is what makes a line of the log an instruction; blocks that are
// not chained to each other all come by where the line is written. What was
// translated before is translated anew for that, and so written down as well.
func (t *tracer) begin() error {
	if err := t.monitor.human("logfile " + t.path); err != nil {
		return err
	}
	if err := t.singleStep("on"); err != nil {
		return err
	}
	return t.monitor.human("log exec,nochain,in_asm")
}

func (t *tracer) end() error {
	if err := t.monitor.human("log none"); err != nil {
		return err
	}
	if err := t.singleStep("off"); err != nil {
		return err
	}
	text, err := io.ReadAll(io.NewSectionReader(t.log, 0, math.MaxInt64))
	if err != nil {
		return err
	}
	t.on(text)
	// Some versions go on behind what is there, and others begin anew.
	return t.log.Truncate(0)
}

// singleStep uses the command's name of QEMU 8.1 and later, or that of older ones.
func (t *tracer) singleStep(what string) error {
	if t.monitor.human("one-insn-per-tb "+what) == nil {
		return nil
	}
	return t.monitor.human("singlestep " + what)
}

// human has a command for people executed, which says nothing if all is well.
func (q *qmp) human(line string) error {
	var said string
	err := q.do("human-monitor-command", map[string]any{"command-line": line}, &said)
	if err == nil && said != "" {
		err = fmt.Errorf("QEMU refuses %q: %s", line, said)
	}
	return err
}
