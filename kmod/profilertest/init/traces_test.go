// SPDX-License-Identifier: MIT

package main

import "testing"

func TestWantWhole(t *testing.T) {
	plain := trace{"schedule", "tb_nap", "tb_sleeper", "kthread", "ret_from_fork"}
	for _, test := range []struct {
		name string
		got  trace
		ok   bool
	}{
		{"the same", plain, true},
		{"with a probe's own frames", trace{"schedule", "tb_nap", "label", "tb_sleeper", "label", "sled", "kthread", "ret_from_fork"}, true},
		{"one missing", trace{"schedule", "tb_nap", "label", "kthread", "ret_from_fork"}, false},
		{"ends at a probe", trace{"schedule", "tb_nap", "label"}, false},
		{"ends early", plain[:4], false},
		{"goes on", append(plain[:5:5], "nonsense"), false},
		{"in another order", trace{"schedule", "tb_sleeper", "tb_nap", "kthread", "ret_from_fork"}, false},
		{"too much beside", trace{"schedule", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "tb_nap", "tb_sleeper", "kthread", "ret_from_fork"}, false},
		{"empty", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			check := &T{}
			wantWhole(check, "trace", plain, test.got)
			if got := len(check.outcome.Failures) == 0; got != test.ok {
				t.Errorf("whole is %v, want %v: %q", got, test.ok, check.outcome.Failures)
			}
		})
	}
}
