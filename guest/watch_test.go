// SPDX-License-Identifier: MIT

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeMachine plays a script of what a guest does and when.
type fakeMachine struct {
	mu               sync.Mutex
	console, results []byte
	off              chan struct{}
	once             sync.Once
	killed           bool
	readErr          error
}

// act is one step of the script, so long after the one before.
type act struct {
	after   time.Duration
	console string
	results []byte
	exit    bool
	breaks  bool // the host can no longer read
}

func play(script []act) *fakeMachine {
	m := &fakeMachine{off: make(chan struct{})}
	go func() {
		for _, a := range script {
			select {
			case <-time.After(a.after):
			case <-m.off:
				return
			}
			m.mu.Lock()
			m.console = append(m.console, a.console...)
			m.results = append(m.results, a.results...)
			if a.breaks {
				m.readErr = errors.New("input/output error")
			}
			m.mu.Unlock()
			if a.exit {
				m.switchOff()
			}
		}
	}()
	return m
}

func (m *fakeMachine) switchOff() { m.once.Do(func() { close(m.off) }) }

func (m *fakeMachine) take(p *[]byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := *p
	*p = nil
	return b, m.readErr
}

func (m *fakeMachine) readConsole() ([]byte, error) { return m.take(&m.console) }
func (m *fakeMachine) readResults() ([]byte, error) { return m.take(&m.results) }
func (m *fakeMachine) cpuSoFar() time.Duration      { return 0 }

func (m *fakeMachine) exited() <-chan struct{} { return m.off }
func (m *fakeMachine) kill()                   { m.killed = true; m.switchOff() }

func wire(t *testing.T, kind byte, v any) []byte {
	t.Helper()
	payload, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return encode(t, frame{kind, payload})
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestWatch(t *testing.T) {
	var (
		hello  = wire(t, frameHello, helloMessage{Release: "6.1"})
		record = wire(t, frameRecord, Record{Kind: "n", Data: json.RawMessage("1")})
		ok     = wire(t, frameDone, doneMessage{Verdict: verdictOK})
		wrong  = wire(t, frameDone, doneMessage{Verdict: verdictWrong, Message: "7 calls instead of 8"})
		failed = wire(t, frameDone, doneMessage{Verdict: verdictFailed, Message: "no such symbol"})
	)
	const (
		oops   = "[    1.000000] BUG: kernel NULL pointer dereference, address: 0\r\n"
		panics = "[    1.000001] Kernel panic - not syncing: Fatal exception\r\n"
		death  = "[    1.000002] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\r\n[    1.000003] Call Trace:\r\n"
		boot   = "[    0.100000] booting\r\n"
		ms     = time.Millisecond
	)
	flood := strings.Repeat("x", maxOutput+1)
	const down = "[    2.000000] reboot: Power down\r\n"
	tests := map[string]struct {
		script  []act
		exitErr error
		said    string
		ending  Ending
		detail  string // part of it
		killed  bool
		records int
	}{
		"done, and QEMU does not go": {
			script: []act{{after: ms, results: hello}, {after: ms, results: ok, console: down}},
			ending: Done, killed: true,
		},
		"powers off too soon, and QEMU does not go": {
			script: []act{{after: ms, results: hello, console: down}},
			ending: Hang, killed: true,
		},
		"done": {
			script: []act{{after: ms, results: hello}, {after: ms, results: record}, {after: ms, results: ok}, {after: 100 * ms, exit: true}},
			ending: Done, records: 1,
		},
		"everything at once, then off": {
			script: []act{{results: join(hello, record, record, ok), exit: true}},
			ending: Done, records: 2,
		},
		"a long job that speaks now and then": {
			script: []act{{results: hello}, {after: 50 * time.Second, console: boot}, {after: 50 * time.Second, results: record}, {after: 50 * time.Second, results: ok, exit: true}},
			ending: Done, records: 1,
		},
		"wrong numbers": {
			script: []act{{results: join(hello, wrong), exit: true}},
			ending: WrongNumbers, detail: "7 calls instead of 8",
		},
		"job failed": {
			script: []act{{results: join(hello, failed), exit: true}},
			ending: OurFailure, detail: "no such symbol",
		},
		"unknown verdict": {
			script: []act{{results: join(hello, wire(t, frameDone, doneMessage{Verdict: "maybe"})), exit: true}},
			ending: OurFailure, detail: `unknown verdict "maybe"`,
		},
		"oops after the end": {
			script: []act{{results: join(hello, ok)}, {after: 50 * ms, console: oops + panics, exit: true}},
			ending: KernelOops, detail: "BUG: kernel NULL pointer",
		},
		"oops in an unfinished last line": {
			script: []act{{results: join(hello, ok)}, {after: 50 * ms, console: strings.TrimSpace(oops), exit: true}},
			ending: KernelOops, detail: "BUG: kernel NULL pointer",
		},
		"oops outranks wrong numbers": {
			script: []act{{console: oops}, {results: join(hello, wrong), exit: true}},
			ending: KernelOops, detail: "BUG: kernel NULL pointer",
		},
		"oops outranks a damaged stream": {
			script: []act{{results: join(hello, []byte("garbage and more"))}, {console: oops, exit: true}},
			ending: KernelOops, detail: "BUG: kernel NULL pointer",
		},
		"oops kills init": {
			script: []act{{results: hello}, {console: oops + death, exit: true}},
			ending: KernelOops, detail: "BUG: kernel NULL pointer",
		},
		"oops of a processor that there is not": {
			script: []act{{results: hello}, {console: oops + "[    1.000001] RSP: 0018:ffffc9000001bc30 EFLAGS: 1fd6a302\r\n" + panics, exit: true}},
			ending: OurFailure, detail: "QEMU's emulation failed: the flags were 0x1fd6a302, which no processor has: BUG: kernel NULL pointer",
		},
		"oops with the flags of one": {
			script: []act{{results: hello}, {console: oops + "[    1.000001] RSP: 0018:ffffc9000001bc30 EFLAGS: 003f7fd7\r\n" + panics, exit: true}},
			ending: KernelOops, detail: "BUG: kernel NULL pointer",
		},
		"init dies alone": {
			script: []act{{results: hello}, {console: "fatal error: all goroutines are asleep - deadlock!\r\n" + death, exit: true}},
			ending: OurFailure, detail: "fatal error: all goroutines are asleep",
		},
		"init is killed without a word": {
			script: []act{{results: hello}, {console: death, exit: true}},
			ending: OurFailure, detail: "exitcode=0x00000009",
		},
		"kernel complains and goes on for ever": {
			script: append([]act{{results: hello}, {console: oops}}, repeat(act{after: time.Second, results: record}, 1000)...),
			ending: KernelOops, detail: "BUG: kernel NULL pointer", killed: true, records: 30,
		},
		"panic in the boot": {
			script: []act{{console: boot + panics, exit: true}},
			ending: BootFailure, detail: "Fatal exception",
		},
		"nothing at all": {
			script: []act{{after: time.Second, exit: true}},
			ending: BootFailure, detail: "the console is empty",
		},
		"nothing but advice from QEMU": {
			script: []act{{after: time.Second, exit: true}}, said: "warning: no cpu",
			ending: BootFailure, detail: "QEMU said: warning: no cpu",
		},
		"boot never ends": {
			script: repeat(act{after: time.Second, console: boot}, 1000),
			ending: BootFailure, detail: "did not start within 20s; the console ends with: [    0.100000] booting", killed: true,
		},
		"job says nothing any more": {
			script: []act{{console: boot, results: hello}, {after: time.Second, results: record}},
			ending: Hang, detail: "no output for 1m0s; the console ends with: [    0.100000] booting", killed: true, records: 1,
		},
		"no power off": {
			script: []act{{results: join(hello, ok)}},
			ending: Hang, detail: "did not power off", killed: true,
		},
		"reset without a word": {
			script: []act{{results: join(hello, record), exit: true}},
			ending: KernelOops, detail: "before the job was done", records: 1,
		},
		"reset in the middle of a record": {
			script: []act{{results: join(hello, record[:7]), exit: true}},
			ending: KernelOops, detail: "middle of a record",
		},
		"damaged stream": {
			script: []act{{results: join(hello, []byte("Segmentation fault"), ok), exit: true}},
			ending: OurFailure, detail: "results stream is damaged",
		},
		"frame of no JSON": {
			script: []act{{results: join(hello, encode(t, frame{frameRecord, []byte("{")}), ok), exit: true}},
			ending: OurFailure, detail: "results stream is damaged: frame type 2",
		},
		"record before hello": {
			script: []act{{results: join(record, ok), exit: true}},
			ending: OurFailure, detail: "hello must come first and once",
		},
		"hello twice": {
			script: []act{{results: join(hello, hello, ok), exit: true}},
			ending: OurFailure, detail: "hello must come first and once",
		},
		"record after the end": {
			script: []act{{results: join(hello, ok, record), exit: true}},
			ending: OurFailure, detail: "something follows the end",
		},
		"a few bytes after the end": {
			script: []act{{results: join(hello, ok, []byte{1}), exit: true}},
			ending: OurFailure, detail: "something follows the end",
		},
		"console floods": {
			script: []act{{results: hello}, {console: flood}},
			ending: OurFailure, detail: "more than 64 MiB", killed: true,
		},
		"QEMU crashes": {
			script: []act{{results: hello}, {exit: true}}, exitErr: errors.New("signal: segmentation fault"), said: "oh no",
			ending: OurFailure, detail: "QEMU failed: signal: segmentation fault: oh no",
		},
		"host cannot read": {
			script: []act{{results: hello}, {after: ms, breaks: true}},
			ending: OurFailure, detail: "input/output error", killed: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := play(test.script)
				live := 0
				s := &session{cfg: Config{
					BootLimit: 20 * time.Second, SilenceLimit: time.Minute,
					OnRecord: func(Record) { live++ },
				}}
				s.watch(t.Context(), m)
				ending, detail := s.judge(test.exitErr, test.said)
				if ending != test.ending || !strings.Contains(detail, test.detail) {
					t.Errorf("%v: %q, want %v: %q", ending, detail, test.ending, test.detail)
				}
				if (ending == Done) != (detail == "") {
					t.Errorf("%v with the detail %q", ending, detail)
				}
				if m.killed != test.killed {
					t.Errorf("killed: %v, want %v", m.killed, test.killed)
				}
				if len(s.records) != test.records || live != test.records {
					t.Errorf("%d records, %d of them live, want %d", len(s.records), live, test.records)
				}
			})
		})
	}
}

func repeat(a act, n int) []act {
	all := make([]act, n)
	for i := range all {
		all[i] = a
	}
	return all
}

func TestWatchIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := play(nil)
		s := &session{cfg: Config{BootLimit: time.Hour}}
		s.watch(ctx, m)
		if s.stopped != stopCancel || !m.killed {
			t.Errorf("stopped for reason %d, killed: %v", s.stopped, m.killed)
		}
	})
}

type brokenWriter struct{ calls int }

func (w *brokenWriter) Write([]byte) (int, error) {
	w.calls++
	return 0, errors.New("broken pipe")
}

func TestConsoleWriterBreaks(t *testing.T) {
	w := &brokenWriter{}
	s := &session{cfg: Config{OnConsole: w}}
	s.takeConsole([]byte("one\n"), time.Now())
	s.takeConsole([]byte("two\n"), time.Now())
	if w.calls != 1 || s.console.text.String() != "one\ntwo\n" {
		t.Errorf("%d calls, console %q", w.calls, s.console.text.String())
	}
}
