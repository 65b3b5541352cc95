// SPDX-License-Identifier: MIT

package results

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Slack is how far exact figures may lie apart that different builds of the
// suite found of one module: what lies in memory, and when the timer interrupts,
// is another then. It is "5%" of the figure, or "20" in its unit; empty is none.
type Slack string

// Covers tells whether a difference is no more than the slack.
func (s Slack) Covers(old, next float64) bool {
	limit, part, err := s.parse()
	if err != nil {
		return false
	}
	if part {
		limit *= math.Abs(old)
	}
	return math.Abs(next-old) <= limit
}

func (s Slack) parse() (limit float64, part bool, err error) {
	if s == "" {
		return 0, false, nil
	}
	text, part := strings.CutSuffix(string(s), "%")
	limit, err = strconv.ParseFloat(text, 64)
	if err != nil || !(limit > 0) || math.IsInf(limit, 0) {
		return 0, false, fmt.Errorf("slack is %q, must be a number, or one of percent like 5%%", string(s))
	}
	if part {
		limit /= 100
	}
	return limit, part, nil
}

// Check is an error if it is not written as it must be.
func (s Slack) Check() error {
	_, _, err := s.parse()
	return err
}
