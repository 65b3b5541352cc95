// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Burst is what becomes of many calls in a row while nobody reads.
type Burst struct {
	Function string
	Lacking  string `json:",omitempty"`
	Issued   uint64
	Counted  uint64 // what can be read after
	Lost     uint64 // by the peer's own count
}

// burstCalls are more than a ring buffer of the default size has room for.
const burstCalls = 60_000

const burstFunction = "sys_getpid"

// keeper is a peer that keeps each call, which takes long to read, and can tell how
// many it has at once.
type keeper interface {
	kept() (calls, lost uint64, err error)
}

// burst makes calls while nobody reads.
func (l *lab) burst(ctx context.Context, p Peer) (b Burst, err error) {
	f := FunctionOf(burstFunction)
	b.Function = f.Name
	if p.Facts().Name == graphCallees {
		return b, nil // the buffer has events of all that a call calls, and of interrupts
	}
	l.progress(fmt.Sprintf("%s at %d calls in a row", p.Facts().Name, burstCalls))
	if err := p.Attach([]Function{f}); err != nil {
		if errors.Is(err, ErrNotSupported) {
			b.Lacking = whyUnsupported(err)
			err = nil
		}
		return b, err
	}
	defer func() { err = errors.Join(err, p.Detach()) }()
	// A few first, to know how many calls whoever makes them makes for itself.
	few, err := l.issue(ctx, f, fewCalls)
	if err != nil {
		return b, err
	}
	before, err := l.counted(p)
	if err != nil {
		return b, err
	}
	many, err := l.issue(ctx, f, burstCalls)
	if err != nil {
		return b, err
	}
	after, err := l.counted(p)
	others := before.Calls - few
	b.Issued, b.Counted, b.Lost = few+many, after.Calls-others, after.Lost-before.Lost
	if b.Lost == 0 {
		b.Counted -= others // they are known of the second time as well
	}
	return b, err
}

func (l *lab) issue(ctx context.Context, f Function, calls int) (uint64, error) {
	_, issued, err := l.drive(ctx, Subject{Function: f}, calls)
	return issued, err
}

func (l *lab) counted(p Peer) (Reading, error) {
	if k, ok := p.(keeper); ok && p.Facts().Each {
		calls, lost, err := k.kept()
		return Reading{Calls: calls, Lost: lost}, err
	}
	all, err := p.Read()
	if err != nil {
		return Reading{}, err
	}
	return all[0], nil
}

// eventsOfCall is how many events the ring buffer has for a call: one at the entry
// and one at the return.
const eventsOfCall = 2

// kept counts calls that are whole, and takes for lost those of which an event is.
func (t *tracer) kept() (calls, lost uint64, err error) {
	files, err := filepath.Glob(filepath.Join(tracingDir, "per_cpu/cpu*/stats"))
	if err != nil {
		return 0, 0, err
	}
	var all bufferStats
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, 0, err
		}
		s, err := parseBufferStats(string(text))
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", name, err)
		}
		all.entries, all.lost = all.entries+s.entries, all.lost+s.lost
	}
	return all.entries / eventsOfCall, (all.lost + eventsOfCall - 1) / eventsOfCall, nil
}

// bufferStats is what per_cpu/cpuN/stats says of events.
type bufferStats struct {
	entries uint64 // that can be read
	lost    uint64 // overwritten, or dropped
}

func parseBufferStats(text string) (s bufferStats, err error) {
	seen := 0
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		to := &s.lost
		switch key {
		case "entries":
			to = &s.entries
		case "overrun", "dropped events":
		default:
			continue
		}
		n, err := parseCount(value)
		if err != nil {
			return s, err
		}
		*to, seen = *to+n, seen+1
	}
	if seen != 3 {
		return s, fmt.Errorf("%d of the lines entries, overrun and dropped events, want 3: %q", seen, text)
	}
	return s, nil
}
