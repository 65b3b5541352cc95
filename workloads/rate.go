// SPDX-License-Identifier: MIT

package workloads

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rate is how often the measured calls are made. The zero value is "max": one
// call after the other.
//
// At any other rate each round of the program has a deadline of its own, which
// depends on the start alone: the error of one interval is not carried into the
// next, and a late call does not shift those that follow. So a rate that cannot
// be held shows in [Result].Achieved and [Result].Late instead of passing for a
// lower one.
type Rate struct {
	calls   uint64
	period  time.Duration
	arrival arrival
	burst   int     // calls that are due at once, with bursts
	from    float64 // calls per second at the start, with a ramp
	text    string
}

// arrival is how calls are spread over time.
type arrival int

const (
	evenly arrival = iota
	poisson
	bursts
	ramp
)

var periods = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
}

// ParseRate reads "max", or a rate: a whole number of calls per ms, s, m or h,
// such as "10000/s". By itself it stands for calls at equal intervals.
// "poisson:RATE" spreads them at random, like requests of many users who do not
// know each other; "bursts:N:RATE" makes N calls due at once, as often as gives
// that rate; "ramp:RATE:RATE" goes from one rate to the other, in a straight
// line.
func ParseRate(text string) (Rate, error) {
	if text == "max" {
		return Rate{}, nil
	}
	kind, rest, special := strings.Cut(text, ":")
	var r Rate
	var err error
	switch {
	case !special:
		r, err = parsePlain(text)
	case kind == "poisson":
		r, err = parsePlain(rest)
		r.arrival = poisson
	case kind == "bursts":
		r, err = parseBursts(rest)
	case kind == "ramp":
		r, err = parseRamp(rest)
	default:
		err = fmt.Errorf("%q is no way to spread calls", kind)
	}
	if err != nil {
		return Rate{}, fmt.Errorf(`rate %q: %w; "max" is one, or "10000/s", "poisson:10000/s", "bursts:50:10000/s" and "ramp:10/s:10000/s"`, text, err)
	}
	r.text = text
	return r, nil
}

// parsePlain reads a number of calls per unit of time.
func parsePlain(text string) (Rate, error) {
	number, unit, ok := strings.Cut(text, "/")
	period, known := periods[unit]
	calls, err := strconv.ParseUint(number, 10, 32)
	if !ok || !known || err != nil || calls == 0 || number[0] == '0' {
		return Rate{}, fmt.Errorf(`%q is no number of calls per ms, s, m or h`, text)
	}
	if calls > uint64(period) {
		return Rate{}, fmt.Errorf("%q is more than one call per nanosecond", text)
	}
	return Rate{calls: calls, period: period}, nil
}

func parseBursts(text string) (Rate, error) {
	number, rest, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 {
		return Rate{}, fmt.Errorf("%q is no number of calls in a burst", number)
	}
	r, err := parsePlain(rest)
	r.arrival, r.burst = bursts, int(n)
	return r, err
}

// parseRamp reads two rates. The rate of the whole is that in the middle.
func parseRamp(text string) (Rate, error) {
	first, last, _ := strings.Cut(text, ":")
	from, err := parsePlain(first)
	if err != nil {
		return Rate{}, err
	}
	to, err := parsePlain(last)
	if err != nil {
		return Rate{}, err
	}
	mean := (from.PerSec() + to.PerSec()) / 2
	// To a millionth of a call per second, which a whole number of calls per
	// a longer time can say.
	r := Rate{calls: uint64(math.Round(mean * 1e6)), period: 1e6 * time.Second, arrival: ramp, from: from.PerSec()}
	return r, nil
}

// ParseRates reads a rate, as [ParseRate] does, or a sweep of rates, such as
// "10/s..10000/s": from the first to the last, each ten times the one before.
// If the last is "max" all are tried that can be, and the sweep is open: it is to
// find out how far it goes, and no fault that it ends.
func ParseRates(text string) (rates []Rate, open bool, err error) {
	first, last, sweep := strings.Cut(text, "..")
	if !sweep {
		r, err := ParseRate(text)
		return []Rate{r}, false, err
	}
	from, err := parsePlain(first)
	if err != nil {
		return nil, false, fmt.Errorf("rates %q: %w", text, err)
	}
	to := Rate{calls: mostSwept, period: time.Second}
	if open = last == "max"; !open {
		if to, err = parsePlain(last); err != nil {
			return nil, false, fmt.Errorf("rates %q: %w", text, err)
		}
	}
	_, unit, _ := strings.Cut(first, "/")
	for r := from; r.PerSec() < to.PerSec(); r.calls *= 10 {
		r.text = fmt.Sprintf("%d/%s", r.calls, unit)
		rates = append(rates, r)
	}
	if len(rates) == 0 {
		return nil, false, fmt.Errorf("rates %q: the first is not below the last", text)
	}
	if open {
		return append(rates, Rate{}), true, nil
	}
	to.text = last
	return append(rates, to), false, nil
}

// mostSwept calls per second are more than any kernel makes.
const mostSwept = 100_000_000

// IsMax reports whether calls follow each other without a pause.
func (r Rate) IsMax() bool { return r.calls == 0 }

// String returns the rate as ParseRate reads it.
func (r Rate) String() string {
	if r.IsMax() {
		return "max"
	}
	return r.text
}

// PerSec returns the rate in calls per second, +Inf for max. Of a ramp it is
// that in the middle.
func (r Rate) PerSec() float64 {
	if r.IsMax() {
		return math.Inf(1)
	}
	return float64(r.calls) / r.period.Seconds()
}

// deadlines returns when each of n rounds with perRound measured calls is due,
// in ns after the start, in order. The last is due when that many calls have
// taken their time.
func (r Rate) deadlines(n, perRound int) ([]int64, error) {
	end, ok := r.after(uint64(n) * uint64(perRound))
	if !ok {
		return nil, fmt.Errorf("%d calls at %s take longer than a clock counts", n*perRound, r)
	}
	due := make([]int64, n)
	switch r.arrival {
	case evenly, bursts:
		for i := range due {
			due[i], _ = r.after(uint64(min(r.lastOfBurst(i, perRound), n)) * uint64(perRound))
		}
	case poisson:
		atRandom(due, end)
	case ramp:
		r.climb(due, float64(end))
	}
	return due, nil
}

// lastOfBurst is the number of rounds up to the end of the burst that round i is
// in: the calls of a burst are due when the last of them would be.
func (r Rate) lastOfBurst(i, perRound int) int {
	rounds := max(r.burst/perRound, 1)
	return (i/rounds + 1) * rounds
}

// arrivalSeed makes random arrivals the same in each run.
const arrivalSeed = 1

// atRandom makes a Poisson process of due: given how many calls there are until
// the end, each is at any time with the same probability. (Kingman, Poisson
// Processes, 1993, 2.4.) The last is at the end, so that the rate is exact.
func atRandom(due []int64, end int64) {
	rng := rand.New(rand.NewPCG(arrivalSeed, 0))
	for i := range due {
		due[i] = rng.Int64N(max(end, 1))
	}
	slices.Sort(due)
	if n := len(due); n > 0 {
		due[n-1] = end
	}
}

// climb makes a ramp of due that is over at the end. If the rate at t is
// from+a*t, then from*t+a*t*t/2 calls are due until t.
func (r Rate) climb(due []int64, end float64) {
	from := r.from / 1e9 // calls per ns
	total := from*end + (r.PerSec()/1e9-from)*end
	a := 2 * (total - from*end) / (end * end)
	for i := range due {
		calls := total * float64(i+1) / float64(len(due))
		// The root that is good for small a as well.
		due[i] = int64(math.Round(2 * calls / (from + math.Sqrt(max(from*from+2*a*calls, 0)))))
	}
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
