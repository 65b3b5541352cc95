// SPDX-License-Identifier: MIT

package profilertest_test

// Why Linux 5.10 lacks what others have.
const (
	noDirect  = "backend direct: the ftrace of this kernel has no direct calls from a set of functions"
	noRethook = "backend rethook: this kernel has no rethook"
	noFamily  = "kmp_family: in this kernel the members of vmalloc()'s family share no function"
)

// notSupported is all that kernels cannot do, by series and check, as the checks
// say it. Whatever else a check says, or does not say any more, is a failure.
var notSupported = map[string]map[string][]string{
	"5.10": {
		"blocks/vmallocinfo":                     {"callers in vmallocinfo: vmalloc() itself is probed, for want of a function behind it"},
		"blocks/whole family":                    {noFamily},
		"blocks/family probed by others":         {noFamily},
		"changes/choice of backends":             {noRethook},
		"changes/other functions under sleepers": {noDirect, noRethook},
		"changes/jumps between backends":         {noDirect, noRethook},
		"changes/durations":                      {noDirect, noRethook},
		"changes/calibration":                    {noDirect, noRethook},
		"changes/modules of functions":           {noDirect, noRethook},
		"changes/hundreds of functions":          {noDirect, noRethook},
		"sleepers/stack traces":                  {"stack traces through probed calls: the unwinder of this kernel stops at a kretprobe"},
	},
	"7.3": {
		"blocks/ftrace switched off": {"ftrace switched off: the switch does nothing in this kernel"},
	},
}
