// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"regexp"
	"strings"
)

// kernelLine finds the kernel's own messages: the time stamp that printk.time=1
// puts before each, with the caller that some kernels add. A line of the job
// has none, so whatever it prints is no complaint. The stamp need not open the
// line, because the job may have left one unfinished.
var kernelLine = regexp.MustCompile(`\[ *[0-9]+\.[0-9]{6}\](?:\[ *[TC][0-9]+\])? +(.*)$`)

// complaints are the messages that mean the kernel is not well. Each is bound
// to the start of the message, so that a message that only mentions such a
// word ("profiler: BUG: ...") is none.
var complaints = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"panic", regexp.MustCompile(`^(?:traps: )?(?:Kernel panic - not syncing|PANIC: )`)},
	{"bug", regexp.MustCompile(`^(?:watchdog: |rcu: |\[ )?BUG: |^kernel BUG at `)},
	{"oops", regexp.MustCompile(`^Oops(?: - [^:]*)?: |^Internal error: `)},
	{"fault", regexp.MustCompile(`^(?:general protection fault|divide error|invalid opcode|int3|stack segment|double fault|segment not present|invalid TSS|alignment check|control protection fault|bounds)(?:,[^:]*)?: [0-9a-f]{4} \[#`)},
	{"fault", regexp.MustCompile(`^stack guard page was hit|^Unable to handle kernel |^traps: Missing ENDBR`)},
	{"warning", regexp.MustCompile(`^(?:\[ )?WARNING: `)},
	{"lockdep", regexp.MustCompile(`^(?:\[ )?INFO: (?:possible |suspicious |trying to register non-static key|inconsistent lock state)`)},
	{"lockup", regexp.MustCompile(`^(?:NMI )?watchdog: (?:CPU[0-9]+: )?Watchdog detected hard LOCKUP`)},
	{"stall", regexp.MustCompile(`^(?:rcu: )?INFO: s?rcu\w* .*\bstalls?\b`)},
	{"hung task", regexp.MustCompile(`^INFO: task .* blocked (?:for more than|in I/O wait)`)},
	{"sanitizer", regexp.MustCompile(`^UBSAN: |^kmemleak: [0-9]+ new suspected|^usercopy: Kernel memory (?:exposure|overwrite) attempt`)},
	{"corruption", regexp.MustCompile(`^list_(?:add|del)\w* corruption|^page dumped because`)},
	{"out of memory", regexp.MustCompile(`^\S+ invoked oom-killer: |^.+: (?:page allocation failure: order:|vmalloc error: size )`)},
	{"msr", regexp.MustCompile(`^unchecked MSR access error: `)},
	// Last, because everything above prints one too and says more.
	{"stack trace", regexp.MustCompile(`^Call [Tt]race:`)},
}

// complaint is a line on the console that means the kernel is not well.
type complaint struct {
	name string // of the pattern
	line string // the message, without its time stamp
}

// initDied is the panic that says the job's own process is gone. On its own it
// tells of a bug in the job and not in the kernel.
const initDied = "Kernel panic - not syncing: Attempted to kill init!"

func (c complaint) isInitDeath() bool { return strings.HasPrefix(c.line, initDied) }

// findComplaint examines one line of the console.
func findComplaint(line string) (complaint, bool) {
	m := kernelLine.FindStringSubmatch(line)
	if m == nil {
		return complaint{}, false
	}
	msg := strings.TrimSpace(m[1])
	for _, c := range complaints {
		if c.pattern.MatchString(msg) {
			return complaint{name: c.name, line: msg}, true
		}
	}
	return complaint{}, false
}

// consoleWatch reads a console that arrives in pieces. Its zero value is ready
// to use.
type consoleWatch struct {
	text  bytes.Buffer // all of it, without carriage returns
	lines int          // offset in text up to which lines were examined
	found []complaint  // the first few
}

// maxComplaints bounds what is kept of a kernel that does not stop.
const maxComplaints = 16

func (w *consoleWatch) write(p []byte) {
	w.text.Write(bytes.ReplaceAll(p, []byte{'\r'}, nil))
	for {
		rest := w.text.Bytes()[w.lines:]
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return
		}
		w.examine(rest[:end])
		w.lines += end + 1
	}
}

// poweredOff tells whether the kernel's last words were seen.
func (w *consoleWatch) poweredOff() bool {
	return bytes.HasSuffix(bytes.TrimSpace(w.text.Bytes()), []byte("reboot: Power down"))
}

// finish examines an unfinished last line, once nothing more can come.
func (w *consoleWatch) finish() {
	w.examine(w.text.Bytes()[w.lines:])
	w.lines = w.text.Len()
}

func (w *consoleWatch) examine(line []byte) {
	if len(w.found) == maxComplaints {
		return
	}
	if c, ok := findComplaint(string(line)); ok {
		w.found = append(w.found, c)
	}
}

// lastLines returns the end of the console for a message of one line.
func (w *consoleWatch) lastLines(n int) string {
	lines := strings.Split(strings.TrimSpace(w.text.String()), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return strings.Join(lines, " | ")
}
