// SPDX-License-Identifier: MIT

package guest

import "fmt"

// Ending says how a guest ended. The zero value is no ending at all, so a
// report that was never filled in cannot pass for a success.
type Ending int

const (
	// Done: the job ended well and the kernel had nothing to complain of.
	Done Ending = iota + 1
	// WrongNumbers: the job ended in order and reported that a figure was
	// wrong, see [ErrWrongNumbers].
	WrongNumbers
	// KernelOops: the kernel complained on its console (an oops, a warning, a
	// lockdep report, a stall), or it died without a word. It outranks
	// whatever the job reported.
	KernelOops
	// Hang: the guest said nothing for [Config.SilenceLimit], or it did not
	// power off after the job was done.
	Hang
	// BootFailure: the guest never got as far as the job.
	BootFailure
	// OurFailure: the job itself or the machinery around it broke, and nothing
	// was learned about the kernel.
	OurFailure
)

var endingNames = [...]string{
	Done:         "done",
	WrongNumbers: "wrong numbers",
	KernelOops:   "kernel oops",
	Hang:         "hang",
	BootFailure:  "boot failure",
	OurFailure:   "our failure",
}

// String returns the ending in words, as reports show it.
func (e Ending) String() string {
	if e < Done || int(e) >= len(endingNames) {
		return fmt.Sprintf("ending(%d)", int(e))
	}
	return endingNames[e]
}

// ExitCode returns the exit code of a command whose guest ended this way:
// 0 done, 1 wrong numbers, 2 our failure, 3 kernel oops, 4 hang, 5 boot
// failure. Anything else is our failure.
func (e Ending) ExitCode() int {
	switch e {
	case Done:
		return 0
	case WrongNumbers:
		return 1
	case KernelOops:
		return 3
	case Hang:
		return 4
	case BootFailure:
		return 5
	}
	return 2
}
