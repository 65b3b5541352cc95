// SPDX-License-Identifier: MIT

package explain

import (
	"fmt"
	"io"
	"strings"
)

// Graph is a tree to be written as folded stacks or drawn as a flame graph.
type Graph struct {
	Title string
	Root  *Node
	// Calls is what all numbers are to be divided by, where people read them.
	Calls int
}

// WriteFolded writes a line "TITLE;FUNC;FUNC N" for each path that has instructions
// of its own, the outermost function first, as flamegraph.pl, inferno and speedscope
// read it. They know no numbers below 0, so that paths which have fewer instructions
// are left out; fewer is how many that are.
func WriteFolded(w io.Writer, graphs ...Graph) (fewer int, err error) {
	var text strings.Builder
	for _, g := range graphs {
		g.Root.visit(nil, func(path []string, n *Node) {
			switch {
			case n.Self > 0:
				path[0] = g.Title
				fmt.Fprintf(&text, "%s %d\n", strings.Join(path, ";"), n.Self)
				path[0] = g.Root.Name
			case n.Self < 0:
				fewer -= n.Self
			}
		})
	}
	_, err = io.WriteString(w, text.String())
	return fewer, err
}
