// SPDX-License-Identifier: MIT

package bench

import (
	"testing"

	"kprof-bench/kmod"
)

// What is reported must be what the kernel lists, with the same callers.
func TestCheckLive(t *testing.T) {
	const live, freed, callers = "vmallocinfo: live blocks", "vmallocinfo: freed blocks", "vmallocinfo: callers"
	own := func(ip uint64) bool { return ip == leakCaller || ip == heldCaller }
	noted := map[uint64]uint64{leakedPage: leakCaller, taggedPage: leakCaller, listPage: heldCaller, bssPage: heldCaller}
	ok := func(name string) outcome { return outcome{name, Held, nil} }
	for name, test := range map[string]struct {
		noted  map[uint64]uint64
		change func([]kmod.Leak) []kmod.Leak
		want   []outcome
	}{
		"the same": {noted, func(l []kmod.Leak) []kmod.Leak { return l }, []outcome{ok(live), ok(freed), ok(callers)}},
		"one is not reported": {noted, func(l []kmod.Leak) []kmod.Leak { return l[1:] },
			[]outcome{{live, Failed, []string{"of 4 blocks", "1 are not", "0xffffc90000000000"}}, ok(freed), ok(callers)}},
		"one is gone": {noted, func(l []kmod.Leak) []kmod.Leak {
			return append(l, kmod.Leak{Page: vzallocPage, IP: heldCaller})
		}, []outcome{ok(live), {freed, Failed, []string{"1 blocks", "0xffffc90000004000"}}, ok(callers)}},
		"another caller": {noted, func(l []kmod.Leak) []kmod.Leak { l[0].IP = heldCaller; return l },
			[]outcome{ok(live), ok(freed), {callers, Failed, []string{"0xffffffffc0100020 instead of 0xffffffffc0100010"}}}},
		"a caller of nobody": {noted, func(l []kmod.Leak) []kmod.Leak { l[0].IP = 1; return l },
			[]outcome{ok(live), ok(freed), {callers, Failed, []string{"1 blocks"}}}},
		"nothing is there": {nil, func([]kmod.Leak) []kmod.Leak { return nil },
			[]outcome{{live, Failed, []string{"of 0 blocks"}}, ok(freed), ok(callers)}},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, checkLive(test.change(rightReport()), test.noted, own), test.want)
		})
	}
}
