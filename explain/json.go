// SPDX-License-Identifier: MIT

package explain

import (
	"encoding/json"
	"io"
	"strings"
)

// Difference is what is explained: an [Explanation], or what is [Between] two.
type Difference interface {
	Table() *Table
	// Diff is what the second has more than the first, by path.
	Diff() *Node
	// Check returns an error when that is not what was measured.
	Check() error
}

// graphOf is a difference as it is drawn.
func graphOf(d Difference) Graph {
	t := d.Table()
	return Graph{Title: t.Name, Root: d.Diff(), Calls: t.Calls}
}

// Graphs returns differences as they are drawn.
func Graphs[D Difference](all []D) []Graph {
	var graphs []Graph
	for _, d := range all {
		graphs = append(graphs, graphOf(d))
	}
	return graphs
}

// document is a difference as JSON. All numbers are instructions of a call.
type document struct {
	Name      string       `json:"name"`
	Columns   [2]string    `json:"columns"`
	Sum       float64      `json:"sum"`
	Measured  float64      `json:"measured"`
	Functions []functionIn `json:"functions"`
	Paths     []pathIn     `json:"paths"`
}

type functionIn struct {
	Function   string     `json:"function"`
	Values     [2]float64 `json:"values"`
	Difference float64    `json:"difference"`
}

type pathIn struct {
	Path       string  `json:"path"` // outermost first, with semicolons between
	Difference float64 `json:"difference"`
}

// WriteJSON writes differences as an array, with all functions and with the paths
// that differ.
func WriteJSON[D Difference](w io.Writer, all []D) error {
	docs := []document{}
	for _, d := range all {
		docs = append(docs, documentOf(d))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(docs)
}

func documentOf(d Difference) document {
	t := d.Table()
	of := func(n int) float64 { return round3(perCall(n, t.Calls)) }
	doc := document{Name: t.Name, Columns: t.Columns, Sum: of(t.Sum().Diff()), Measured: round3(t.Measured)}
	for _, r := range append(t.Rows, t.Same...) {
		doc.Functions = append(doc.Functions, functionIn{r.Func, [2]float64{of(r.A), of(r.B)}, of(r.Diff())})
	}
	d.Diff().visit(nil, func(path []string, n *Node) {
		if n.Self != 0 {
			doc.Paths = append(doc.Paths, pathIn{strings.Join(path, ";"), of(n.Self)})
		}
	})
	return doc
}
