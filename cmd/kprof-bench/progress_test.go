// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestProgressInAPipe(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b)
	p.say("boot")
	p.clear()
	p.say("load")
	fmt.Fprintln(&cleared{p, &b}, "result")
	if want := "boot\nload\nresult\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// On a terminal one line is overwritten, and gone before anything else is
// printed; \r goes to its start and ESC [ K clears it.
func TestProgressOnATerminal(t *testing.T) {
	var b bytes.Buffer
	p := &progress{w: &b, terminal: true, width: 10}
	out := &cleared{p, &b}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"nothing to clear", p.clear, ""},
		{"a line", func() { p.say("boot") }, "\r\x1b[Kboot"},
		{"another", func() { p.say("load") }, "\r\x1b[Kload"},
		{"as long as it may be", func() { p.say("123456789") }, "\r\x1b[K123456789"},
		{"too long, which would wrap", func() { p.say("1234567890") }, "\r\x1b[K123456789"},
		{"letters are not cut in two", func() { p.say("ßßßßßßßßßßßß") }, "\r\x1b[Kßßßßßßßßß"},
		{"output", func() { fmt.Fprintln(out, "result") }, "\r\x1b[Kresult\n"},
		{"more output", func() { fmt.Fprintln(out, "result") }, "result\n"},
		{"nothing left to clear", p.clear, ""},
		{"a line below", func() { p.say("boot") }, "\r\x1b[Kboot"},
		{"the end", p.clear, "\r\x1b[K"},
	} {
		b.Reset()
		step.do()
		if b.String() != step.want {
			t.Errorf("%s: %q, want %q", step.name, b.String(), step.want)
		}
	}
}

func TestProgressKnowsATerminalAndItsWidth(t *testing.T) {
	master, terminal := openTerminal(t, 7)
	p := newProgress(terminal)
	p.say("0123456789")
	p.clear()
	const want = "\r\x1b[K012345\r\x1b[K"
	got := make([]byte, len(want))
	if err := master.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.ReadFull(master, got); err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got[:n], err, want)
	}

	// A file is none, though it is a file.
	f, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p := newProgress(f); p.terminal {
		t.Error("a file was taken for a terminal")
	}
}

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T, columns uint16) (master, terminal *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: columns}); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return master, terminal
}
