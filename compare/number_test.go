// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"testing"
)

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		exactly(341797646):              "341797646",
		exactly(2.55):                   "2.55",
		exactly(1e-12):                  "1e-12",
		exactly(1e22):                   "1e+22",
		exactly(1 << 53):                "9007199254740992",
		roughly(123456.7):               "123460",
		roughly(0.000123456):            "0.00012346",
		roughly(-7):                     "-7",
		difference(2.55, 2.544):         "-0.006",
		difference(0.1, 0.3):            "+0.2",
		difference(411, 412):            "+1",
		difference(341797646, 3):        "-341797643",
		difference(1e-12, 2e-12):        "+0.000000000001",
		percent(change(411, 412)):       "+0.24%",
		percent(change(341797646, 1e9)): "+192.57%",
		percent(change(1e9, 1e9+1)):     "+<0.01%",
		percent(change(1e9, 1e9-1)):     "-<0.01%",
		percent(change(-10, -12)):       "-20.00%",
		percent(change(0, 3)):           "-",
		probability(0.0004):             "<0.001",
		probability(0.05):               "0.050",
		plural(1, "comparison"):         "1 comparison",
		plural(2, "entry"):              "2 entries",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A figure with a sign is the better the nearer it is to zero, whatever a file says.
func TestSigned(t *testing.T) {
	const file = exactPlace + "Unit %[2]s better=lower assume=exact\nBenchmarkA 1 %[1]s %[2]s 5 true-insn/op\n"
	for _, test := range []struct {
		old, next string
		want      Verdict
	}{
		{"-3", "-1", Better}, {"-1", "-3", Worse}, {"1", "-3", Worse}, {"3", "1", Better}, {"-1", "-1", Same}, {"0", "-0.5", Worse},
		{"1", "-1", Changed},
	} {
		for _, unit := range []string{"bias-insn/op", "tool-bias-insn/op"} {
			r := compared(t, fmt.Sprintf(file, test.old, unit), fmt.Sprintf(file, test.next, unit), usual())
			if got := r.Comparisons[0]; got.Verdict != test.want || got.Better != NearZero {
				t.Errorf("%s -> %s %s: %s, %q, want %s", test.old, test.next, unit, got.Verdict, got.Better, test.want)
			}
		}
	}
}
