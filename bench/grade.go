// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"kprof-bench/kmod"
	"kprof-bench/results"
)

// grade is how the verdicts on one region compare with truth. A block is
// positive when it is called a possible leak.
type grade struct {
	right, wrong   int
	byClass        map[string]*tally
	truePositive   int
	falsePositive  int
	falseNegative  int
	wrongExample   string
	missing, extra []string
	callers        []string
	catches        bool // a single wrong verdict would be found
}

// tally counts the verdicts on blocks of one class.
type tally struct{ right, wrong int }

// gradeRegion compares a report with what was planted. For a region that was
// searched, a block is held when its address was found; for all memory, when its
// class says so.
func gradeRegion(r region, leaks []kmod.Leak, truth *plantedBlocks) grade {
	g := grade{byClass: map[string]*tally{}}
	seen := map[uint64]bool{}
	for _, l := range leaks {
		planted, ok := truth.blocks[l.Page]
		if !ok {
			if kind, other := truth.others[l.Page]; other {
				g.extra = append(g.extra, fmt.Sprintf("%#x of %s", l.Page<<kmod.PageShift, kind))
			}
			continue // the kernel's own
		}
		seen[l.Page] = true
		if l.IP != planted.caller {
			g.callers = append(g.callers, fmt.Sprintf("%s block %#x: %#x instead of %#x",
				planted.Class, l.Page<<kmod.PageShift, l.IP, planted.caller))
		}
		held := planted.held
		if r.held != nil {
			held = r.held[l.Page]
		}
		g.verdict(l, planted.Class, held)
	}
	for page, planted := range truth.blocks {
		if !seen[page] {
			g.missing = append(g.missing, fmt.Sprintf("%s block %#x", planted.Class, page<<kmod.PageShift))
		}
	}
	slices.Sort(g.missing)
	return g
}

func (g *grade) verdict(l kmod.Leak, class string, held bool) {
	leak := l.Verdict == kmod.PossibleLeak
	if g.byClass[class] == nil {
		g.byClass[class] = &tally{}
	}
	switch {
	case leak && !held:
		g.truePositive++
	case leak && held:
		g.falsePositive++
	case !leak && !held:
		g.falseNegative++
	}
	if leak != held {
		g.right++
		g.byClass[class].right++
		return
	}
	g.wrong++
	g.byClass[class].wrong++
	if g.wrongExample == "" {
		where := "no pointer to it lies there"
		if held {
			where = "a pointer to it lies there"
		}
		g.wrongExample = fmt.Sprintf("; the first is %s block %#x, '%s' although %s",
			class, l.Page<<kmod.PageShift, l.Verdict, where)
	}
}

// wrongOnes says of which classes how many verdicts are wrong, and which is the
// first.
func (g grade) wrongOnes() string {
	if g.wrong == 0 {
		return ""
	}
	var classes []string
	for _, class := range slices.Sorted(maps.Keys(g.byClass)) {
		if n := *g.byClass[class]; n.wrong > 0 {
			classes = append(classes, fmt.Sprintf("%d of %d %s", n.wrong, n.right+n.wrong, class))
		}
	}
	return "; wrong are " + strings.Join(classes, ", ") + g.wrongExample
}

// precision is the part of the possible leaks that are, recall the part of
// those that are which were called so; each 1 where there are none.
func (g grade) precision() float64 { return part(g.truePositive, g.falsePositive) }
func (g grade) recall() float64    { return part(g.truePositive, g.falseNegative) }

func part(of, rest int) float64 {
	if of+rest == 0 {
		return 1
	}
	return float64(of) / float64(of+rest)
}

func (g grade) row(r region, blocks int) results.Row {
	scan := median(r.ticks)
	row := results.Row{
		Name:   "LeakScan",
		Params: []results.Param{{Key: "region", Value: r.label}, {Key: "blocks", Value: strconv.Itoa(blocks)}},
		Iters:  r.scans,
		Values: []results.Value{
			{V: round3(scan), Unit: "insn/op"},
			{V: round3(scan / float64(r.words)), Unit: "insn/word"},
			{V: g.precision(), Unit: "precision"},
			{V: g.recall(), Unit: "recall"},
		},
	}
	if g.catches {
		row.Values = append(row.Values, results.Value{V: float64(g.right + g.wrong), Unit: "catches-verdict-1-in"})
	}
	return row
}

// checkVerdicts wants every verdict right. Where blocks come and go on several
// processors, memory that was freed and not used again has addresses of blocks:
// the module is right to find them, and which they are nobody knows.
func (g grade) checkVerdicts(r region, clock Clock) Check {
	name := "leak scan of " + r.label + ": verdicts"
	if r.hasFreed() && !clock.Exact() && g.falsePositive == 0 && g.falseNegative > 0 {
		return notJudged(name, "%d of %d leaks have an address that lies somewhere in memory, freed or not",
			g.falseNegative, g.truePositive+g.falseNegative)
	}
	return judge(g.wrong == 0 && g.right > 0, name,
		"%d of %d are right%s", g.right, g.right+g.wrong, g.wrongOnes())
}

func (g grade) checks(r region, clock Clock) []Check {
	name := "leak scan of " + r.label
	return []Check{
		g.checkVerdicts(r, clock),
		judge(len(g.missing) == 0, name+": blocks",
			"%d planted blocks are not reported%s", len(g.missing), first(g.missing)),
		judge(len(g.extra) == 0, name+": other allocators",
			"%d blocks are reported that are not vmalloc()'s%s", len(g.extra), first(g.extra)),
		judge(len(g.callers) == 0, name+": callers",
			"%d blocks are reported with a wrong place of allocation%s", len(g.callers), first(g.callers)),
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "; the first is " + list[0]
}

// checkStatus holds the module's account of itself against what was done.
func checkStatus(before, after kmod.Status, scans uint64) []Check {
	var lost []string
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"lost", after.Lost}, {"missed", after.Missed}, {"overwritten", after.Overwritten},
		{"unreadable pages", after.UnreadablePages}, {"stale", after.Stale},
	} {
		if c.n > 0 {
			lost = append(lost, fmt.Sprintf("%s %d", c.name, c.n))
		}
	}
	return []Check{
		judge(after.Scans-before.Scans == scans, "leak scan: scans",
			"memleaks was opened and read %d times, and scanned %d times", scans, after.Scans-before.Scans),
		judge(len(lost) == 0, "leak scan: losses", "profiler.ko admits to %s", orNone(lost)),
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// checkPairs holds what the module counted against pairs of vmalloc() and
// vfree().
func checkPairs(before, after kmod.Status, pairs uint64) []Check {
	allocated, freed := after.Allocated-before.Allocated, after.Freed-before.Freed
	return []Check{judge(allocated == pairs && freed == pairs, "vmalloc and vfree: calls",
		"%d pairs were made, profiler.ko saw %d allocations and %d releases", pairs, allocated, freed)}
}

func (p pairs) row() results.Row {
	base := median(p.base)
	return results.Row{
		Name:   "VmallocPair",
		Params: []results.Param{{Key: "size", Value: strconv.Itoa(blockSize)}},
		Iters:  len(p.with) * pairsInBatch,
		Values: []results.Value{
			{V: round3(base), Unit: "base-insn/pair"},
			{V: round3(median(p.with)), Unit: "probed-insn/pair"},
			{V: round3(median(p.with) - base), Unit: "overhead-insn/pair"},
			{V: round3(median(p.hooked) - base), Unit: "hooks-insn/pair"},
		},
	}
}
