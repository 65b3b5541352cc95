// SPDX-License-Identifier: MIT

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// qmp is a connection on which a QEMU is commanded, in its machine protocol
// (docs/interop/qmp-spec.txt).
type qmp struct {
	conn *net.UnixConn
	in   *json.Decoder
	free func() bool
}

// newQMP returns a connection and the end of it that QEMU inherits. Every call
// on it fails when ctx ends, or after the limit.
func newQMP(ctx context.Context, limit time.Duration) (*qmp, *os.File, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make QEMU's monitor: %w", err)
	}
	near, far := os.NewFile(uintptr(ends[0]), "monitor"), os.NewFile(uintptr(ends[1]), "monitor")
	defer near.Close()
	conn, err := net.FileConn(near)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(limit))
	}
	if err != nil {
		far.Close()
		return nil, nil, fmt.Errorf("make QEMU's monitor: %w", err)
	}
	q := &qmp{conn: conn.(*net.UnixConn), in: json.NewDecoder(conn)}
	q.free = context.AfterFunc(ctx, func() { conn.Close() })
	return q, far, nil
}

func (q *qmp) close() {
	q.free()
	q.conn.Close()
}

// qmpMessage is anything that QEMU says.
type qmpMessage struct {
	QMP    json.RawMessage `json:"QMP"`
	Event  string          `json:"event"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
}

// greet makes QEMU listen to commands.
func (q *qmp) greet() error {
	var m qmpMessage
	if err := q.in.Decode(&m); err != nil {
		return fmt.Errorf("QEMU's monitor says nothing: %w", err)
	}
	if m.QMP == nil {
		return errors.New("QEMU's monitor speaks another protocol")
	}
	return q.do("qmp_capabilities", nil, nil)
}

// do has a command executed and decodes what it returns, unless answer is nil.
// Events meanwhile are lost.
func (q *qmp) do(command string, arguments map[string]any, answer any) error {
	return q.doWith(command, arguments, nil, answer)
}

// doWith passes a file along, which QEMU gets as a descriptor of its own.
func (q *qmp) doWith(command string, arguments map[string]any, file *os.File, answer any) error {
	text, err := json.Marshal(struct {
		Execute   string         `json:"execute"`
		Arguments map[string]any `json:"arguments,omitempty"`
	}{command, arguments})
	if err != nil {
		return err
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	if _, _, err := q.conn.WriteMsgUnix(text, rights, nil); err != nil {
		return fmt.Errorf("tell QEMU to %s: %w", command, err)
	}
	m, err := q.next(func(m qmpMessage) bool { return m.Return != nil || m.Error != nil })
	switch {
	case err != nil:
		return fmt.Errorf("QEMU's answer to %s: %w", command, err)
	case m.Error != nil:
		return fmt.Errorf("QEMU refuses %s: %s", command, m.Error.Desc)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(m.Return, answer)
}

// wait returns when QEMU tells of an event of that name.
func (q *qmp) wait(event string) error {
	_, err := q.next(func(m qmpMessage) bool { return m.Event == event })
	if err != nil {
		return fmt.Errorf("wait for QEMU's %s: %w", event, err)
	}
	return nil
}

// next returns the next message that is wanted, and drops those before it.
func (q *qmp) next(wanted func(qmpMessage) bool) (qmpMessage, error) {
	for {
		var m qmpMessage
		if err := q.in.Decode(&m); err != nil {
			return m, err
		}
		if wanted(m) {
			return m, nil
		}
	}
}

// status is the state of the machine, in QEMU's words.
func (q *qmp) status() (string, error) {
	var answer struct {
		Status string `json:"status"`
	}
	err := q.do("query-status", nil, &answer)
	return answer.Status, err
}

// migration is the state of a snapshot in the making, in QEMU's words, and what
// went wrong.
func (q *qmp) migration() (status, trouble string, err error) {
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error-desc"`
	}
	err = q.do("query-migrate", nil, &answer)
	return answer.Status, answer.Error, err
}
