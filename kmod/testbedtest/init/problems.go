// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"strings"
)

// problems collects what is wrong, so that one finding does not hide the next.
type problems struct {
	lines   []string
	dropped int
}

// maxProblems is how many are kept: a broken count may be wrong a thousand
// times.
const maxProblems = 30

func (p *problems) add(format string, args ...any) {
	if len(p.lines) == maxProblems {
		p.dropped++
		return
	}
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

// note adds an error, if it is one.
func (p *problems) note(what string, err error) {
	if err != nil {
		p.add("%s: %v", what, err)
	}
}

func (p *problems) String() string {
	s := strings.Join(p.lines, "\n")
	if p.dropped > 0 {
		s += fmt.Sprintf("\nand %d more", p.dropped)
	}
	return s
}

func (p *problems) err() error {
	if len(p.lines) == 0 {
		return nil
	}
	return errors.New(p.String())
}

// equal compares what is with what must be.
func equal[T comparable](p *problems, what string, got, want T) {
	if got != want {
		p.add("%s: %v, want %v", what, got, want)
	}
}
