// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// progress tells what is being done: on a terminal in one line that is
// overwritten, elsewhere in lines of their own.
type progress struct {
	w        io.Writer
	terminal bool
	width    int

	mu    sync.Mutex // guests tell of their progress at the same time
	shown bool
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.terminal = true
		p.width = 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = width
		}
	}
	return p
}

func (p *progress) say(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.terminal {
		fmt.Fprintln(p.w, what)
		return
	}
	runes := []rune(what)
	if len(runes) >= p.width {
		what = string(runes[:p.width-1])
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", what)
	p.shown = true
}

// of says of which kernel something is done.
func (p *progress) of(kernel string) func(what string) {
	return func(what string) { p.say(kernel + ": " + what) }
}

// clear removes the line, so that something else can be printed.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// cleared is a writer that removes the line of progress first.
type cleared struct {
	p *progress
	w io.Writer
}

func (c *cleared) Write(b []byte) (int, error) {
	c.p.clear()
	return c.w.Write(b)
}
