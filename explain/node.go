// SPDX-License-Identifier: MIT

package explain

import (
	"cmp"
	"slices"
)

// Node is a function as it was called by those above it.
type Node struct {
	Name     string
	Self     int // instructions of its own; below 0 they are fewer, in a difference
	Children []*Node

	byName map[string]*Node
}

// child returns the node of that name below, made if there is none.
func (n *Node) child(name string) *Node {
	if c := n.byName[name]; c != nil {
		return c
	}
	c := &Node{Name: name}
	if n.byName == nil {
		n.byName = map[string]*Node{}
	}
	n.byName[name] = c
	n.Children = append(n.Children, c)
	return c
}

// Total is the number of instructions of the node and of all below it.
func (n *Node) Total() int {
	total := n.Self
	for _, c := range n.Children {
		total += c.Total()
	}
	return total
}

// Diff is what b has more than a, by path. What is the same in both is left out.
func Diff(a, b *Node) *Node {
	d := &Node{Name: b.Name}
	d.add(a, -1)
	d.add(b, 1)
	d.prune()
	return d
}

func (n *Node) add(other *Node, factor int) {
	n.Self += factor * other.Self
	for _, c := range other.Children {
		n.child(c.Name).add(c, factor)
	}
}

// prune removes nodes that have nothing, and sorts the others by name.
func (n *Node) prune() {
	n.Children = slices.DeleteFunc(n.Children, func(c *Node) bool {
		c.prune()
		return c.Self == 0 && len(c.Children) == 0
	})
	n.byName = nil
	slices.SortFunc(n.Children, func(a, b *Node) int { return cmp.Compare(a.Name, b.Name) })
}

// byFunction adds the instructions of each function up, wherever it was called.
func (n *Node) byFunction(to map[string]int) {
	to[n.Name] += n.Self
	for _, c := range n.Children {
		c.byFunction(to)
	}
}

// visit calls fn for each node with those above it, the root first.
func (n *Node) visit(above []string, fn func(path []string, n *Node)) {
	path := append(slices.Clone(above), n.Name)
	fn(path, n)
	for _, c := range n.Children {
		c.visit(path, fn)
	}
}
