// SPDX-License-Identifier: MIT

package guest

import (
	"fmt"
	"strings"
	"time"
)

// qemuFailed opens the detail of a guest whose QEMU gave up.
const qemuFailed = "QEMU failed"

// judge says how a guest ended whose QEMU has exited with exitErr and said so
// much on its standard error. The order of the questions is the point: what the
// kernel says outranks what the job says, and a broken QEMU explains what
// follows from it.
func (s *session) judge(exitErr error, said string) (Ending, string) {
	if s.stopped == notStopped && exitErr != nil {
		return OurFailure, fmt.Sprintf("%s: %v: %s", qemuFailed, exitErr, said)
	}
	if s.hello == nil && s.err == nil && (s.stopped == notStopped || s.stopped == stopBoot || s.stopped == stopSick) {
		return BootFailure, s.bootDetail(said)
	}
	if c, ok := s.worst(); ok {
		if c.isInitDeath() {
			return OurFailure, "the job's process died: " + s.causeOfDeath(c)
		}
		if flags, ok := s.console.impossibleFlags(); ok {
			return OurFailure, emulationDetail(flags, c.line)
		}
		return KernelOops, c.line
	}
	if s.err != nil {
		return OurFailure, s.err.Error()
	}
	return s.judgeQuiet()
}

// judgeQuiet judges a guest whose kernel and results are in order.
func (s *session) judgeQuiet() (Ending, string) {
	switch {
	case s.stopped == stopPowerOff:
		return Hang, fmt.Sprintf("the job was done, and the guest did not power off in %v", powerOffLimit)
	case s.stopped == stopSilence:
		return Hang, fmt.Sprintf("no output for %v; the console ends with: %s", s.cfg.SilenceLimit, s.console.lastLines(3))
	case s.stopped != notStopped && s.stopped != stopOff:
		return OurFailure, "the guest was stopped"
	case s.done == nil && s.decoder.rest() > 0:
		return KernelOops, "the guest went down in the middle of a record, and its kernel said nothing"
	case s.done == nil:
		return KernelOops, "the guest went down before the job was done, and its kernel said nothing"
	case s.decoder.rest() > 0:
		return OurFailure, fmt.Sprintf("%v: something follows the end", errDamaged)
	}
	switch s.done.Verdict {
	case verdictOK:
		return Done, ""
	case verdictWrong:
		return WrongNumbers, s.done.Message
	case verdictFailed:
		return OurFailure, s.done.Message
	}
	return OurFailure, fmt.Sprintf("the guest ended with the unknown verdict %q", s.done.Verdict)
}

// worst returns the first complaint, passing over the death of init when there
// is another: it is what an oops in the job's own system calls leads to.
func (s *session) worst() (complaint, bool) {
	var death *complaint
	for i, c := range s.console.found {
		switch {
		case c.isInitDeath():
			death = &s.console.found[i]
		case death != nil && c.name == "stack trace":
			// The trace of that panic itself.
		default:
			return c, true
		}
	}
	if death != nil {
		return *death, true
	}
	return complaint{}, false
}

// causeOfDeath looks for the Go runtime's last words.
func (s *session) causeOfDeath(c complaint) string {
	for line := range strings.Lines(s.console.text.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
	}
	return c.line
}

func (s *session) bootDetail(said string) string {
	what := "the guest went down before the job started"
	if s.stopped == stopBoot {
		what = fmt.Sprintf("the job did not start within %v", s.cfg.BootLimit.Round(time.Second))
	}
	if c, ok := s.worst(); ok {
		return what + ": " + c.line
	}
	if end := s.console.lastLines(3); end != "" {
		return what + "; the console ends with: " + end
	}
	if said != "" {
		return what + "; QEMU said: " + said
	}
	return what + "; the console is empty"
}
