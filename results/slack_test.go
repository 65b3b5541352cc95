// SPDX-License-Identifier: MIT

package results

import "testing"

func TestSlack(t *testing.T) {
	for _, c := range []struct {
		slack     Slack
		old, next float64
		want      bool
	}{
		{"", 5, 5, true},
		{"", 5, 5.001, false},
		{"1%", 200, 202, true},
		{"1%", 200, 198, true},
		{"1%", 200, 202.1, false},
		{"1%", -200, -202, true},
		{"1%", 0, 0.1, false},
		{"20", 0.1, -19.9, true},
		{"20", 0.1, 20.2, false},
		{"2 0", 1, 1, false},
	} {
		if got := c.slack.Covers(c.old, c.next); got != c.want {
			t.Errorf("slack %q of %v and %v: %v", c.slack, c.old, c.next, got)
		}
	}
	for _, bad := range []Slack{"x", "%", "-1", "0%", "inf", "nan", "5%%"} {
		if bad.Check() == nil {
			t.Errorf("no error for %q", bad)
		}
	}
	for _, good := range []Slack{"", "5%", "0.5%", "20"} {
		if err := good.Check(); err != nil {
			t.Error(err)
		}
	}
}
