// SPDX-License-Identifier: MIT

package guest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// machine is a guest seen from outside; tests put a fake in its place.
type machine interface {
	// readConsole and readResults return what is new on a port, or nothing.
	readConsole() ([]byte, error)
	readResults() ([]byte, error)
	// cpuSoFar is the processor time that it has used.
	cpuSoFar() time.Duration
	// exited is closed when the machine is off.
	exited() <-chan struct{}
	// kill switches it off and returns when it is.
	kill()
}

// stop says why a guest was switched off from outside.
type stop int

const (
	notStopped   stop = iota
	stopCancel        // the caller's context
	stopBoot          // no hello in time
	stopSilence       // nothing said for too long
	stopPowerOff      // done, but did not power off
	stopOff           // powered off, but QEMU is still there
	stopSick          // the kernel complained and went on
	stopFlood         // more output than anyone wants to keep
	stopHost          // reading the ports failed
)

const (
	// pollEvery is the host's delay in seeing output. The guest cannot feel it.
	pollEvery = 10 * time.Millisecond
	// powerOffLimit is for the linger and the shutdown on a busy host.
	powerOffLimit = 30 * time.Second
	// exitLimit is for QEMU to go when the guest has powered off.
	exitLimit = 5 * time.Second
	// sickLimit lets a kernel that complained say the rest of it, and a job
	// that a mere warning did not disturb come to its end.
	sickLimit = 30 * time.Second
	// maxOutput of one port.
	maxOutput = 64 << 20
)

// session is all that was seen of one guest.
type session struct {
	cfg     Config
	console consoleWatch
	decoder frameDecoder
	results int // bytes seen

	hello   *helloMessage
	records []Record
	done    *doneMessage
	err     error // of the results stream or of reading it
	stopped stop

	started, heard time.Time // host time
	bootWall       time.Duration
	bootCPU        time.Duration
	doneAt, sickAt time.Time
}

// watch follows a guest until it is off. It never returns while the guest runs.
func (s *session) watch(ctx context.Context, m machine) {
	s.heard = time.Now()
	if s.started.IsZero() {
		s.started = s.heard
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for off := false; !off; {
		select {
		case <-m.exited():
			off = true
		case <-ctx.Done():
			s.stopped = stopCancel
		case <-tick.C:
		}
		s.poll(m, time.Now())
		if off {
			break
		}
		if s.stopped == notStopped {
			s.stopped = s.overdue(time.Now())
		}
		if s.stopped != notStopped {
			m.kill()
			s.poll(m, time.Now())
			off = true
		}
	}
	s.console.finish()
}

// poll takes in what is new on both ports. The results come second: when they
// say done, the console up to there has been seen.
func (s *session) poll(m machine, now time.Time) {
	text, err := m.readConsole()
	if err != nil {
		s.fail(stopHost, err)
	}
	if len(text) > 0 {
		s.heard = now
		s.takeConsole(text, now)
	}
	frames, err := m.readResults()
	if err != nil {
		s.fail(stopHost, err)
	}
	if len(frames) > 0 {
		s.heard = now
		s.takeResults(m, frames, now)
	}
	if s.console.text.Len() > maxOutput || s.results > maxOutput {
		s.fail(stopFlood, fmt.Errorf("guest wrote more than %d MiB on one port", maxOutput>>20))
	}
}

func (s *session) fail(why stop, err error) {
	if s.err == nil {
		s.err = err
	}
	if s.stopped == notStopped {
		s.stopped = why
	}
}

func (s *session) takeConsole(p []byte, now time.Time) {
	if s.cfg.OnConsole != nil {
		if _, err := s.cfg.OnConsole.Write(p); err != nil {
			s.cfg.OnConsole = nil
		}
	}
	s.console.write(p)
	if s.sickAt.IsZero() && len(s.console.found) > 0 {
		s.sickAt = now
	}
}

func (s *session) takeResults(m machine, p []byte, now time.Time) {
	s.results += len(p)
	s.decoder.write(p)
	for s.err == nil {
		f, ok, err := s.decoder.next()
		if err == nil && ok {
			err = s.takeFrame(m, f, now)
		}
		if err != nil {
			s.err = err
		}
		if !ok {
			return
		}
	}
}

func (s *session) takeFrame(m machine, f frame, now time.Time) error {
	switch {
	case s.done != nil:
		return fmt.Errorf("%w: something follows the end", errDamaged)
	case (f.kind == frameHello) != (s.hello == nil):
		return fmt.Errorf("%w: hello must come first and once", errDamaged)
	}
	switch f.kind {
	case frameHello:
		s.hello = new(helloMessage)
		s.bootWall, s.bootCPU = now.Sub(s.started), m.cpuSoFar()
		return unpack(f, s.hello)
	case frameDone:
		s.done = new(doneMessage)
		s.doneAt = now
		return unpack(f, s.done)
	}
	var r Record
	if err := unpack(f, &r); err != nil {
		return err
	}
	s.records = append(s.records, r)
	if s.cfg.OnRecord != nil {
		s.cfg.OnRecord(r)
	}
	return nil
}

func unpack(f frame, v any) error {
	if err := json.Unmarshal(f.payload, v); err != nil {
		return fmt.Errorf("%w: frame type %d: %w", errDamaged, f.kind, err)
	}
	return nil
}

// overdue says whether the guest has used up its time.
func (s *session) overdue(now time.Time) stop {
	switch {
	case !s.sickAt.IsZero() && now.Sub(s.sickAt) > sickLimit:
		return stopSick
	case s.done != nil && s.console.poweredOff() && now.Sub(s.heard) > exitLimit:
		return stopOff
	case s.done != nil && now.Sub(s.doneAt) > powerOffLimit:
		return stopPowerOff
	case s.hello == nil && now.Sub(s.started) > s.cfg.BootLimit:
		return stopBoot
	case s.hello != nil && now.Sub(s.heard) > s.cfg.SilenceLimit:
		return stopSilence
	}
	return notStopped
}

// tail reads a file that another process is writing.
type tail struct {
	r   io.ReaderAt
	off int64
}

// read returns what was added since the last call, or nothing.
func (t *tail) read() ([]byte, error) {
	var added []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := t.r.ReadAt(buf, t.off)
		t.off += int64(n)
		added = append(added, buf[:n]...)
		if err == io.EOF || (err == nil && n == 0) {
			return added, nil
		}
		if err != nil {
			return added, fmt.Errorf("read the guest's output: %w", err)
		}
	}
}
