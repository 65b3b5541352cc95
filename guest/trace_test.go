// SPDX-License-Identifier: MIT

package guest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// fakeMonitor answers commands for people, and notes them.
type fakeMonitor struct {
	far  *os.File
	in   *json.Decoder
	said func(line string) string
	got  []string
}

func (m *fakeMonitor) say(t *testing.T, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		_, err = m.far.Write(append(text, '\n'))
	}
	if err != nil {
		t.Error(err)
	}
}

// stop is what QEMU says when the guest writes to the port; it returns when the guest
// has been made to go on.
func (m *fakeMonitor) stop(t *testing.T) error {
	t.Helper()
	m.say(t, map[string]any{"event": "GUEST_PANICKED"})
	m.say(t, map[string]any{"event": "STOP"})
	for {
		var c struct {
			Execute   string
			Arguments map[string]string
		}
		if err := m.in.Decode(&c); err != nil {
			return err
		}
		if c.Execute == "cont" {
			m.say(t, map[string]any{"return": struct{}{}})
			return nil
		}
		line := c.Arguments["command-line"]
		m.got = append(m.got, line)
		m.say(t, map[string]any{"return": m.said(line)})
	}
}

// startFake starts a tracer with a monitor that answers so.
func startFake(t *testing.T, said func(string) string) (m *fakeMonitor, tr *tracer, log *os.File, texts *[]string, killed *bool) {
	t.Helper()
	q, far, err := newQMP(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.close)
	t.Cleanup(func() { far.Close() })
	if log, err = memFile("trace"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	m = &fakeMonitor{far: far, in: json.NewDecoder(far), said: said}
	texts, killed = new([]string), new(bool)
	tr, err = startTracer(q, log, "/log", func(text []byte) { *texts = append(*texts, string(text)) }, func() {
		*killed = true
		_ = unix.Shutdown(int(far.Fd()), unix.SHUT_RDWR)
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, tr, log, texts, killed
}

// Stretches are switched on and off in turn, by the name that this QEMU has for that,
// and each is passed on.
func TestTracer(t *testing.T) {
	m, tr, log, texts, killed := startFake(t, func(line string) string {
		if strings.HasPrefix(line, "one-insn-per-tb") {
			return "unknown command: 'one-insn-per-tb'\r\n"
		}
		return ""
	})
	for _, text := range []string{"first", "second"} {
		if err := m.stop(t); err != nil {
			t.Fatal(err)
		}
		if _, err := log.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		if err := m.stop(t); err != nil {
			t.Fatal(err)
		}
	}
	m.far.Close()
	if err := tr.wait(); err != nil || *killed {
		t.Errorf("at the end: %v, killed %v", err, *killed)
	}
	if diff := cmp.Diff([]string{"first", "second"}, *texts); diff != "" {
		t.Errorf("stretches (-want +got):\n%s", diff)
	}
	once := []string{
		"logfile /log", "one-insn-per-tb on", "singlestep on", "log exec,nochain,in_asm",
		"log none", "one-insn-per-tb off", "singlestep off",
	}
	if diff := cmp.Diff(append(once, once...), m.got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

// A guest that cannot be traced does not stand still for ever.
func TestTracerRefused(t *testing.T) {
	m, tr, _, texts, killed := startFake(t, func(line string) string {
		if strings.HasPrefix(line, "logfile") {
			return "Could not open /log"
		}
		return ""
	})
	if err := m.stop(t); err == nil {
		t.Error("the guest goes on untraced")
	}
	if err := tr.wait(); err == nil || !strings.Contains(err.Error(), `trace the guest: QEMU refuses "logfile /log": Could not open /log`) {
		t.Errorf("error %v", err)
	}
	if !*killed || len(*texts) > 0 {
		t.Errorf("killed %v, stretches %q", *killed, *texts)
	}
}
