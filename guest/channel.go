// SPDX-License-Identifier: MIT

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Channel carries a job's records to the host. It is safe for use by several
// goroutines.
type Channel struct {
	mu     sync.Mutex
	fd     int
	closed bool
	buf    []byte
}

// openChannel opens a serial port for frames. The descriptor stays out of the
// runtime's poller, whose extra threads would be guest instructions that
// nobody asked for.
func openChannel(port string) (*Channel, error) {
	fd, err := unix.Open(port, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open results port %s: %w", port, err)
	}
	if err := makeRaw(fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up results port %s: %w", port, err)
	}
	return &Channel{fd: fd}, nil
}

// makeRaw does what cfmakeraw(3) does, so that no byte is rewritten.
func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB | unix.CRTSCTS
	t.Cflag |= unix.CS8 | unix.CLOCAL
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// Send delivers v to the host as a [Record] of that kind, in JSON. It returns
// when the last byte has left the guest: the transfer takes guest time, so
// nothing should be sent while something is measured. It fails when v has no
// JSON form, when the record exceeds 16 MiB, and once the job has returned.
func (ch *Channel) Send(kind string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("record %q: %w", kind, err)
	}
	if err := ch.send(frameRecord, Record{Kind: kind, Data: data}); err != nil {
		return fmt.Errorf("record %q: %w", kind, err)
	}
	return nil
}

func (ch *Channel) send(kind byte, v any) error {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.sendLocked(kind, v)
}

// finish sends the last frame and refuses every later one.
func (ch *Channel) finish(d doneMessage) error {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	defer func() { ch.closed = true }()
	return ch.sendLocked(frameDone, d)
}

func (ch *Channel) sendLocked(kind byte, v any) error {
	if ch.closed {
		return errors.New("the job is done, nothing more can be sent")
	}
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ch.buf, err = appendFrame(ch.buf[:0], frame{kind: kind, payload: payload})
	if err != nil {
		return err
	}
	for b := ch.buf; len(b) > 0; {
		n, err := unix.Write(ch.fd, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("write to results port: %w", err)
		}
		b = b[max(n, 0):]
	}
	// tcdrain(3)
	if err := unix.IoctlSetInt(ch.fd, unix.TCSBRK, 1); err != nil {
		return fmt.Errorf("drain results port: %w", err)
	}
	return nil
}
