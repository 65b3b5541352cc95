// SPDX-License-Identifier: MIT

package compare

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Entry is a change that is known and accepted for a time.
type Entry struct {
	Line int
	Row  string // a pattern, in which * is any text and ? any character
	Unit string // another
	// To is the value that is accepted, and what is no worse; nil is any.
	To     *float64 `json:",omitempty"`
	Until  string   // the last day on which it counts, as YYYY-MM-DD
	Reason string
}

// entryLine is a line of a file of accepted changes.
var entryLine = regexp.MustCompile(`^(\S+)\s+(\S+)(?:\s+to\s+(\S+))?\s+until\s+(\S+?):\s*(.*)$`)

// ReadAcceptFile reads the accepted changes in the file at path.
func ReadAcceptFile(path string) ([]Entry, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read accepted changes: %w", err)
	}
	defer r.Close()
	return ReadAccept(r, path)
}

// ReadAccept reads accepted changes, one a line:
//
//	ROW UNIT [to VALUE] until YYYY-MM-DD: REASON
//
// With a value, a change to something worse than that is not accepted. Empty lines and those that begin with # are skipped. An error names the line;
// name stands for the file in it.
func ReadAccept(r io.Reader, name string) ([]Entry, error) {
	var all []Entry
	in := bufio.NewScanner(r)
	for line := 1; in.Scan(); line++ {
		text := strings.TrimSpace(in.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		e, err := parseEntry(text)
		if err != nil {
			return nil, fmt.Errorf("read accepted changes: %s:%d: %w", name, line, err)
		}
		e.Line = line
		all = append(all, e)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read accepted changes: %s: %w", name, err)
	}
	return all, nil
}

func parseEntry(text string) (Entry, error) {
	m := entryLine.FindStringSubmatch(text)
	if m == nil {
		return Entry{}, errors.New("must be ROW UNIT [to VALUE] until YYYY-MM-DD: REASON")
	}
	e := Entry{Row: strings.TrimPrefix(m[1], "Benchmark"), Unit: m[2], Until: m[4], Reason: m[5]}
	if m[3] != "" {
		to, err := strconv.ParseFloat(m[3], 64)
		if err != nil || math.IsNaN(to) || math.IsInf(to, 0) {
			return e, fmt.Errorf("%q is no value", m[3])
		}
		e.To = &to
	}
	if _, err := time.Parse(time.DateOnly, e.Until); err != nil {
		return e, fmt.Errorf("%q is no day; write it as YYYY-MM-DD", e.Until)
	}
	if e.Reason == "" {
		return e, errors.New("the reason is missing")
	}
	return e, nil
}

// Matches tells whether text is of the pattern, whole: * in it is any text and ?
// any character.
func Matches(pattern, text string) bool {
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(strings.ReplaceAll(expr, `\*`, `.*`), `\?`, `.`)
	return regexp.MustCompile(`^` + expr + `$`).MatchString(text)
}

func (e Entry) expired(today time.Time) bool { return today.Format(time.DateOnly) > e.Until }

func (e Entry) accepts(c *Comparison) bool {
	return (c.Verdict == Worse || c.Verdict == Changed) && Matches(e.Row, c.Row) && Matches(e.Unit, c.Unit)
}

// exceeded tells whether a figure is worse than the value that is accepted or, where
// nobody said what is worse, another.
func (e Entry) exceeded(c *Comparison) bool {
	if e.To == nil {
		return false
	}
	v := Direction(c.Better, *e.To, c.New.Value)
	return v == Worse || v == Changed && *e.To != c.New.Value
}

// accept marks the changes that are accepted and keeps the entries that did
// nothing. Only changes are accepted, not that nothing could be told.
func (r *Report) accept(entries []Entry, today time.Time) {
	for _, e := range entries {
		if e.expired(today) {
			r.Expired = append(r.Expired, e)
			continue
		}
		used := false
		for _, c := range r.Comparisons {
			switch {
			case !e.accepts(c):
			case e.exceeded(c):
				used = true
				r.Exceeded = append(r.Exceeded, Exceeded{e, c})
			default:
				used = true
				c.Accepted = e.Reason
			}
		}
		if !used {
			r.Unused = append(r.Unused, e)
		}
	}
}
