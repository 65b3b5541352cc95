// SPDX-License-Identifier: MIT

package kmod

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Stat is a line of `stats`.
type Stat struct {
	// Symbol is the function's name as the user spelled it.
	Symbol string
	// AverageNs is the mean time of the calls that have returned, in
	// nanoseconds, rounded.
	AverageNs uint64
	// Invocations is the number of calls that have begun.
	Invocations uint64
}

// Count is a line of `missed`.
type Count struct {
	Symbol string
	Calls  uint64
}

// Backend is a line of `backends`.
type Backend struct {
	Symbol string
	// Backend is the way in which it is probed, such as kretprobe.
	Backend string
	// KernelSymbol is the function's name in kallsyms.
	KernelSymbol string
	// Why says why no cheaper way was taken. It is empty if there is none.
	Why string
}

// Latency is a line of `latency`: durations of the calls that have returned.
type Latency struct {
	Symbol                string
	MinNs, MaxNs, TotalNs uint64
}

// Bucket is a line of `histogram`: calls that took FromNs to ToNs, both
// included.
type Bucket struct {
	Symbol       string
	FromNs, ToNs uint64
	Calls        uint64
}

// Calibration is a line of `calibration`: what is taken from each duration that
// one kind of probe measures.
type Calibration struct {
	// Probe is the kind, Clock what it reads: tsc or mono.
	Probe, Clock string
	// Ticks are the clock's; of mono they are nanoseconds.
	Ticks uint64
}

// Verdict is what a scan found out about a block.
type Verdict string

// The verdicts, as the module spells them.
const (
	PossibleLeak Verdict = "possible leak"
	NotFreedYet  Verdict = "not freed yet"
)

// PageShift turns addresses into page numbers and back.
const PageShift = 12

// Leak is a line of `memleaks`.
type Leak struct {
	// Page is the block's start address >> PageShift. Not the address itself,
	// which a scan would find in this process's memory.
	Page    uint64
	Verdict Verdict
	// IP is the return address of the call that allocated it.
	IP uint64
}

// Status is `kmp_status`: the state of the leak finder, what it missed since it
// was loaded, and what the last scan did.
type Status struct {
	Live, Allocated, Freed                 uint64
	UnknownFree, Overwritten, Lost, Missed uint64
	Scans, ScanNs, ScanReadNs, ScanWords   uint64
	// Passes is how often the last scan read the range.
	Passes                       uint64
	UnreadablePages, DevicePages uint64
	PoisonedPages, FreePages     uint64
	// SelfWords are pointers to blocks in the same blocks, which did not count.
	SelfWords                          uint64
	BookkeepingWords, IdleWords, Stale uint64
	// BookkeepingKnown is 1 when the allocator's own words can be told from
	// references.
	BookkeepingKnown uint64
	// Family is 1 when the whole family of vmalloc() is traced.
	Family uint64
}

// ParseStats parses `stats`. It accepts exactly what the module writes.
func ParseStats(text []byte) ([]Stat, error) {
	return parseLines(text, 3, func(f []string) (s Stat, err error) {
		s.Symbol = f[0]
		return s, parseDecimals(f[1:], &s.AverageNs, &s.Invocations)
	})
}

// ParseMissed parses `missed`.
func ParseMissed(text []byte) ([]Count, error) {
	return parseLines(text, 2, func(f []string) (c Count, err error) {
		c.Symbol = f[0]
		c.Calls, err = parseDecimal(f[1])
		return c, err
	})
}

// ParseBackends parses `backends`.
func ParseBackends(text []byte) ([]Backend, error) {
	return parseLines(text, 4, func(f []string) (Backend, error) {
		if f[1] == "" || f[2] == "" {
			return Backend{}, fmt.Errorf("a field is empty")
		}
		return Backend{f[0], f[1], f[2], f[3]}, nil
	})
}

// ParseLatency parses `latency`.
func ParseLatency(text []byte) ([]Latency, error) {
	return parseLines(text, 4, func(f []string) (l Latency, err error) {
		l.Symbol = f[0]
		err = parseDecimals(f[1:], &l.MinNs, &l.MaxNs, &l.TotalNs)
		if err == nil && l.MinNs > l.MaxNs {
			err = fmt.Errorf("the shortest is longer than the longest")
		}
		return l, err
	})
}

// ParseHistogram parses `histogram`: ranges that end before powers of two.
func ParseHistogram(text []byte) ([]Bucket, error) {
	return parseLines(text, 4, func(f []string) (b Bucket, err error) {
		b.Symbol = f[0]
		err = parseDecimals(f[1:], &b.FromNs, &b.ToNs, &b.Calls)
		if err == nil && (!isBucket(b.FromNs, b.ToNs) || b.Calls == 0) {
			err = fmt.Errorf("not a range between powers of two with calls in it")
		}
		return b, err
	})
}

// isBucket tells whether a range is 0 to 1, or from a power of two to the last
// number before the next.
func isBucket(from, to uint64) bool {
	if from == 0 {
		return to == 1
	}
	return from > 1 && from&(from-1) == 0 && to == from+(from-1)
}

// ParseCalibration parses `calibration`.
func ParseCalibration(text []byte) ([]Calibration, error) {
	return parseLines(text, 3, func(f []string) (c Calibration, err error) {
		c.Probe, c.Clock = f[0], f[1]
		if c.Clock != "tsc" && c.Clock != "mono" {
			return c, fmt.Errorf("there is no clock %q", c.Clock)
		}
		return c, parseDecimals(f[2:], &c.Ticks)
	})
}

func parseDecimals(fields []string, to ...*uint64) error {
	for i, field := range fields {
		v, err := parseDecimal(field)
		if err != nil {
			return err
		}
		*to[i] = v
	}
	return nil
}

// parseLines cuts text into lines of n fields between colons.
func parseLines[T any](text []byte, n int, parse func([]string) (T, error)) ([]T, error) {
	var all []T
	for i, line := range strings.SplitAfter(string(text), "\n") {
		if line == "" {
			break // after the last line feed
		}
		body, ok := strings.CutSuffix(line, "\n")
		fields := strings.Split(body, ":")
		if !ok || len(fields) != n || fields[0] == "" {
			return nil, fmt.Errorf("line %d: %q is not %d fields between colons", i+1, line, n)
		}
		v, err := parse(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", i+1, line, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// parseDecimal accepts a number as the kernel prints it: digits alone, without
// a sign or leading zeros.
func parseDecimal(s string) (uint64, error) {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(v, 10) != s {
		return 0, fmt.Errorf("%q is not a decimal number", s)
	}
	return v, nil
}

// LeakLine is the length of a line of memleaks, which is the same for all.
const LeakLine = len("0x0123456789abcdef:possible leak:0x0123456789abcdef\n")

// ParseMemleaks parses `memleaks`. It accepts exactly what the module writes:
// page-aligned blocks in rising order of addresses.
func ParseMemleaks(text []byte) ([]Leak, error) {
	if len(text)%LeakLine != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of lines of %d", len(text), LeakLine)
	}
	leaks := make([]Leak, 0, len(text)/LeakLine)
	for len(text) > 0 {
		l, err := parseLeak(text[:LeakLine])
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", len(leaks)+1, text[:LeakLine], err)
		}
		if n := len(leaks); n > 0 && leaks[n-1].Page >= l.Page {
			return nil, fmt.Errorf("line %d: %q is not above the block before it", n+1, text[:LeakLine])
		}
		leaks = append(leaks, l)
		text = text[LeakLine:]
	}
	return leaks, nil
}

func parseLeak(line []byte) (Leak, error) {
	fields := bytes.Split(bytes.TrimSuffix(line, []byte("\n")), []byte(":"))
	if len(fields) != 3 || line[len(line)-1] != '\n' {
		return Leak{}, fmt.Errorf("not 3 fields between colons and a line feed")
	}
	l := Leak{Verdict: Verdict(fields[1])}
	if l.Verdict != PossibleLeak && l.Verdict != NotFreedYet {
		return Leak{}, fmt.Errorf("no verdict")
	}
	start, err := parseAddress(fields[0])
	if err != nil {
		return Leak{}, err
	}
	if start&(1<<PageShift-1) != 0 {
		return Leak{}, fmt.Errorf("the block does not begin at a page")
	}
	l.Page = start >> PageShift
	l.IP, err = parseAddress(fields[2])
	return l, err
}

// parseAddress accepts 0x and 16 lower-case hexadecimal digits.
func parseAddress(b []byte) (uint64, error) {
	const digits = "0123456789abcdef"
	if len(b) != 18 || b[0] != '0' || b[1] != 'x' {
		return 0, fmt.Errorf("%q is not an address of 16 digits", b)
	}
	var v uint64
	for _, c := range b[2:] {
		d := strings.IndexByte(digits, c)
		if d < 0 {
			return 0, fmt.Errorf("%q is not an address of 16 digits", b)
		}
		v = v<<4 | uint64(d)
	}
	return v, nil
}

// ParseStatus parses `kmp_status`. Names that it does not know are an error:
// the module and this package belong together.
func ParseStatus(text []byte) (Status, error) {
	var s Status
	fields := map[string]*uint64{
		"live": &s.Live, "allocated": &s.Allocated, "freed": &s.Freed,
		"unknown_free": &s.UnknownFree, "overwritten": &s.Overwritten,
		"lost": &s.Lost, "missed": &s.Missed,
		"scans": &s.Scans, "scan_ns": &s.ScanNs, "scan_read_ns": &s.ScanReadNs, "scan_words": &s.ScanWords,
		"scan_passes":            &s.Passes,
		"scan_unreadable_pages":  &s.UnreadablePages,
		"scan_device_pages":      &s.DevicePages,
		"scan_poisoned_pages":    &s.PoisonedPages,
		"scan_free_pages":        &s.FreePages,
		"scan_bookkeeping_words": &s.BookkeepingWords,
		"scan_idle_words":        &s.IdleWords,
		"scan_self_words":        &s.SelfWords,
		"scan_stale":             &s.Stale,
		"bookkeeping_known":      &s.BookkeepingKnown,
		"family":                 &s.Family,
	}
	for line := range strings.Lines(string(text)) {
		body, whole := strings.CutSuffix(line, "\n")
		name, value, _ := strings.Cut(body, " ")
		field := fields[name]
		if field == nil || !whole {
			return Status{}, fmt.Errorf("%q: cut off, or an unknown or repeated name", line)
		}
		v, err := parseDecimal(value)
		if err != nil {
			return Status{}, fmt.Errorf("%q: %w", line, err)
		}
		*field = v
		delete(fields, name)
	}
	for name := range fields {
		return Status{}, fmt.Errorf("%s is missing", name)
	}
	return s, nil
}
