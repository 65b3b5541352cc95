// SPDX-License-Identifier: MIT

package guest_test

import (
	"strconv"
	"strings"
	"testing"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
)

// exchangeMended is the first QEMU that does not mistake an operand for flags at
// CMPXCHG16B.
const exchangeMended = 8

// What a kernel is not told of it does not use. A guest that asks for it in spite
// of that shows whether there is still a reason to keep it from the others.
func TestProcessorWithoutExchange(t *testing.T) {
	for name, test := range map[string]struct {
		model string
		has   bool
	}{
		"by default":     {"", false},
		"when asked for": {"max,+cx16", true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := guesttest.Config(t, guesttest.Job{Act: "exchange"})
			cfg.CPU = test.model
			rep := guesttest.Boot(t, cfg)
			var got guesttest.Exchange
			if rep.Ending != guest.Done || len(rep.Records) != 1 || rep.Records[0].Decode(&got) != nil {
				t.Fatalf("%v: %s\n%s", rep.Ending, rep.Detail, rep.Console)
			}
			if got.Has != test.has {
				t.Fatalf("the processor has CMPXCHG16B: %v, want %v", got.Has, test.has)
			}
			if !got.Has {
				return
			}
			major, _, _ := strings.Cut(rep.QEMUVersion, ".")
			version, err := strconv.Atoi(major)
			if err != nil {
				t.Fatal(err)
			}
			wrong := got.Flags&guesttest.ReservedFlags != 0
			if wrong != (version < exchangeMended) {
				t.Errorf("QEMU %s leaves the flags %#x", rep.QEMUVersion, got.Flags)
			}
		})
	}
}
