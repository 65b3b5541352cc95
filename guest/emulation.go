// SPDX-License-Identifier: MIT

package guest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// eflags finds the processor's flags in what the kernel prints of a fault.
var eflags = regexp.MustCompile(`EFLAGS: ([0-9a-f]{8})\b`)

// reservedFlags are bits of EFLAGS that are 0 on every processor: 3, 5, 15 and
// all from 22 on (Intel SDM, volume 1, 3.4.3).
const reservedFlags = 0xffc0_8028

// emulationFailed opens the detail of a guest whose processor was not one.
const emulationFailed = "QEMU's emulation failed"

// impossibleFlags returns flags that the kernel has printed and no processor can
// have had. QEMU keeps flags in the form of the last operation and its operands;
// when it takes one operation's for another's, what the guest sees is an operand.
// Of the one way in which it is known to, see [processor.emulated].
func (w *consoleWatch) impossibleFlags() (uint64, bool) {
	for _, m := range eflags.FindAllStringSubmatch(w.text.String(), -1) {
		if flags, err := strconv.ParseUint(m[1], 16, 32); err == nil && flags&reservedFlags != 0 {
			return flags, true
		}
	}
	return 0, false
}

func emulationDetail(flags uint64, fault string) string {
	return fmt.Sprintf("%s: the flags were %#x, which no processor has: %s", emulationFailed, flags, fault)
}

// EmulationFailed tells whether the guest came to grief because QEMU did what no
// processor does. Nothing was learned about the kernel then, and the guest may be
// booted once more.
func (r *Report) EmulationFailed() bool {
	return r.Ending == OurFailure && strings.HasPrefix(r.Detail, emulationFailed)
}
