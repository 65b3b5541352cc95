// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"kprof-bench/results"
)

// measuredOn are the results of one of several kernels.
type measuredOn struct {
	kernel string
	env    map[string]string
	rows   []results.Row
}

func measuredOnAll(runs []*kernelRun) []measuredOn {
	var all []measuredOn
	for _, r := range runs {
		if r.result != nil {
			f := r.result.File()
			all = append(all, measuredOn{r.kernel, environmentOf(f), f.Rows})
		}
	}
	return all
}

// writeKernels prints runs on several kernels side by side: of each what an
// engineer wants to see at a glance, then what did not hold, and the verdict.
func writeKernels(w io.Writer, runs []*kernelRun) error {
	all := measuredOnAll(runs)
	if len(all) > 0 {
		if _, err := fmt.Fprintln(w, headlineOf(all)); err != nil {
			return err
		}
	}
	for _, v := range kernelViews {
		if err := v.write(w, all); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	return writeKernelChecks(w, runs)
}

func headlineOf(all []measuredOn) string {
	each := func(key string) string {
		var values []string
		for _, m := range all {
			if v := m.env[key]; v != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		return strings.Join(values, ", ")
	}
	return fmt.Sprintf("kernels %s; clock %s, %s vCPU, QEMU %s, module %s",
		each("kernel"), each("clock"), each("vcpus"), each("qemu"), each("module"))
}

// kernelView is how people see the rows of one name on several kernels.
type kernelView struct {
	row     string
	title   string // insn in it stands for the unit of time
	label   func(results.Row) string
	columns []kernelColumn
}

// kernelColumn is one of the columns that each kernel has. It is left out when
// all of its cells are empty.
type kernelColumn struct {
	head string
	cell func(r results.Row, clock string) string
}

var kernelViews = []kernelView{
	{"Probe", "a call, in insn", probeLabel, []kernelColumn{
		{"counted", countedCell}, {"missed", missedCell},
		{"overhead", valueCell("overhead-insn/op")}, {"bias", valueCell("bias-insn/op")},
		{"calls/s", valueCell("achieved-calls/s")},
	}},
	{"Command", "calls by the command, in insn", commandLabel, []kernelColumn{
		{"perf events", valueCell("calls-counted")}, {"counted", valueCell("calls-reported")}, {"reported", valueCell("reported-insn/op")},
	}},
	{"LeakScan", "a leak scan", scanLabel, []kernelColumn{
		{"insn/word", valueCell("insn/word")}, {"whole read", valueCell("whole-insn/op")},
		{"prec/recall", rightCell},
	}},
	{"VmallocPair", "vmalloc and vfree, in insn", pairLabel, []kernelColumn{
		{"overhead", valueCell("overhead-insn/pair")}, {"of it hooks", valueCell("hooks-insn/pair")},
	}},
}

func valueCell(unit string) func(results.Row, string) string {
	return func(r results.Row, clock string) string { return cell(r, results.UnitOn(clock, unit)) }
}

// countedCell shows calls only where what was counted is not what was issued.
func countedCell(r results.Row, _ string) string {
	issued, counted := cell(r, "calls-issued"), cell(r, "calls-reported")
	if issued == counted {
		return ""
	}
	return counted + "/" + issued
}

func missedCell(r results.Row, _ string) string {
	if missed := cell(r, "missed"); missed != "0" {
		return missed
	}
	return ""
}

func rightCell(r results.Row, _ string) string {
	if p, c := cell(r, "precision"), cell(r, "recall"); p != "" || c != "" {
		return p + "/" + c
	}
	return ""
}

func (v kernelView) write(w io.Writer, all []measuredOn) error {
	names, byName := v.rows(all)
	if len(names) == 0 {
		return nil
	}
	labels := []string{"", results.UnitOn(all[0].env["clock"], v.title)}
	columns := make([][]string, len(v.columns)*len(all)) // kernel by kernel
	for _, name := range names {
		label := ""
		for i, m := range all {
			r, ok := byName[i][name]
			if ok {
				label = v.label(r)
			}
			for j, c := range v.columns {
				text := "-"
				if ok {
					text = c.cell(r, m.env["clock"])
				}
				at := i*len(v.columns) + j
				columns[at] = append(columns[at], text)
			}
		}
		labels = append(labels, label)
	}
	return writeGroups(w, labels, v.groups(all, columns))
}

// rows finds the rows of the view on each kernel, and the order of their names: a
// row that only later kernels have comes behind the one that it follows there.
func (v kernelView) rows(all []measuredOn) (names []string, byName []map[string]results.Row) {
	for _, m := range all {
		rows, at := map[string]results.Row{}, 0
		for _, r := range m.rows {
			if r.Name != v.row {
				continue
			}
			name := r.FullName()
			rows[name] = r
			if i := slices.Index(names, name); i >= 0 {
				at = i + 1
				continue
			}
			names = slices.Insert(names, at, name)
			at++
		}
		byName = append(byName, rows)
	}
	return names, byName
}

// groups puts heads on the columns and leaves out those that are empty on all
// kernels.
func (v kernelView) groups(all []measuredOn, columns [][]string) []group {
	groups := make([]group, len(all))
	for j, c := range v.columns {
		empty := true
		for i := range all {
			empty = empty && !slices.ContainsFunc(columns[i*len(v.columns)+j], func(s string) bool { return s != "" && s != "-" })
		}
		if empty {
			continue
		}
		for i, m := range all {
			groups[i].head = m.kernel
			head := results.UnitOn(m.env["clock"], c.head)
			groups[i].columns = append(groups[i].columns, append([]string{head}, columns[i*len(v.columns)+j]...))
		}
	}
	return groups
}
