// SPDX-License-Identifier: MIT

package verdicts

import (
	"bytes"
	"fmt"
	"strings"
)

// KTAP returns suites as text of KTAP version 1, each a test with its checks as
// subtests. See Documentation/dev-tools/ktap.rst in the kernel's sources.
func KTAP(suites []Suite) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "KTAP version 1\n1..%d\n", len(suites))
	for i, s := range suites {
		s.ktap(&b, i+1)
	}
	return b.Bytes()
}

// indent is that of subtests.
const indent = "  "

func (s Suite) ktap(b *bytes.Buffer, number int) {
	name := description(s.Name)
	if len(s.Cases) > 0 {
		fmt.Fprintf(b, "%sKTAP version 1\n%s# Subtest: %s\n%s1..%d\n", indent, indent, name, indent, len(s.Cases))
	}
	for _, c := range s.Env {
		fmt.Fprintf(b, "%s# %s: %s\n", indent, line(c.Key), line(c.Value))
	}
	for i, c := range s.Cases {
		c.ktap(b, i+1)
	}
	switch {
	case s.Error != "":
		fmt.Fprintf(b, "not ok %d %s # ERROR %s\n", number, name, line(s.Error))
	case !s.Good():
		fmt.Fprintf(b, "not ok %d %s\n", number, name)
	case len(s.Cases) == s.count(Skipped):
		fmt.Fprintf(b, "ok %d %s # SKIP nothing could be told\n", number, name)
	default:
		fmt.Fprintf(b, "ok %d %s\n", number, name)
	}
}

func (c Case) ktap(b *bytes.Buffer, number int) {
	name, detail := description(c.Name), line(c.Detail)
	switch c.Outcome {
	case Skipped:
		fmt.Fprintf(b, "%sok %d %s # SKIP %s\n", indent, number, name, detail)
		return
	case Failed:
		// A diagnostic line belongs to the result that follows it.
		fmt.Fprintf(b, "%s# %s: %s\n%snot ok %d %s\n", indent, name, detail, indent, number, name)
	default:
		fmt.Fprintf(b, "%sok %d %s\n", indent, number, name)
	}
}

// description is a name as a result line can hold it: # begins a directive.
func description(name string) string {
	return line(strings.ReplaceAll(name, "#", "_"))
}
