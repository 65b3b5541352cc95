// SPDX-License-Identifier: MIT

package workloads

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Rate is how often the measured calls are made. The zero value is "max": one
// call after the other.
//
// At any other rate each round of the program has a deadline of its own, a
// whole number of intervals after the start: the error of one interval is
// not carried into the next, and a late call does not shift those that
// follow. So a rate that cannot be held shows in [Result].Achieved and
// [Result].Late instead of passing for a lower one.
type Rate struct {
	calls  uint64
	period time.Duration
	text   string
}

var periods = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
}

// ParseRate reads "max" or a whole number of calls per ms, s, m or h, such as
// "10000/s".
func ParseRate(text string) (Rate, error) {
	if text == "max" {
		return Rate{}, nil
	}
	number, unit, ok := strings.Cut(text, "/")
	period, known := periods[unit]
	calls, err := strconv.ParseUint(number, 10, 32)
	if !ok || !known || err != nil || calls == 0 || number[0] == '0' {
		return Rate{}, fmt.Errorf(`rate %q is neither "max" nor a number of calls per ms, s, m or h, such as "10000/s"`, text)
	}
	if calls > uint64(period) {
		return Rate{}, fmt.Errorf("rate %q is more than one call per nanosecond", text)
	}
	return Rate{calls: calls, period: period, text: text}, nil
}

// IsMax reports whether calls follow each other without a pause.
func (r Rate) IsMax() bool { return r.calls == 0 }

// String returns the rate as ParseRate reads it.
func (r Rate) String() string {
	if r.IsMax() {
		return "max"
	}
	return r.text
}

// PerSec returns the rate in calls per second, +Inf for max.
func (r Rate) PerSec() float64 {
	if r.IsMax() {
		return math.Inf(1)
	}
	return float64(r.calls) / r.period.Seconds()
}

// deadlines returns when each of n rounds with perRound measured calls is due,
// in ns after the start. The first is due after one interval.
func (r Rate) deadlines(n, perRound int) ([]int64, error) {
	if _, ok := r.after(uint64(n) * uint64(perRound)); !ok {
		return nil, fmt.Errorf("%d calls at %s take longer than a clock counts", n*perRound, r)
	}
	due := make([]int64, n)
	for i := range due {
		due[i], _ = r.after(uint64(i+1) * uint64(perRound))
	}
	return due, nil
}

// after returns how many ns the calls take. It is not ok if that, added to a
// clock that counts from boot, might not fit.
func (r Rate) after(calls uint64) (ns int64, ok bool) {
	hi, lo := bits.Mul64(calls, uint64(r.period))
	if hi >= r.calls {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, r.calls)
	return int64(q), q <= math.MaxInt64/4
}
