// SPDX-License-Identifier: MIT

package guest

import "testing"

func TestEndingsAreDistinct(t *testing.T) {
	endings := []Ending{Done, WrongNumbers, KernelOops, Hang, BootFailure, OurFailure}
	names, codes := map[string]Ending{}, map[int]Ending{}
	for _, e := range endings {
		if other, ok := names[e.String()]; ok || e.String() == "" {
			t.Errorf("%d and %d are both called %q", e, other, e)
		}
		if other, ok := codes[e.ExitCode()]; ok {
			t.Errorf("%v and %v both exit with %d", e, other, e.ExitCode())
		}
		names[e.String()], codes[e.ExitCode()] = e, e
	}
	var none Ending
	if none.ExitCode() == 0 || none.String() != "ending(0)" {
		t.Errorf("no ending is called %q and exits with %d", none, none.ExitCode())
	}
	if Done.ExitCode() != 0 {
		t.Errorf("done exits with %d", Done.ExitCode())
	}
}
