// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomFile is a file of random rows, units, environments and numbers of
// samples; its rows are in a random order within an environment.
func randomFile(r *rand.Rand) (head string, blocks []string, rows [][]string) {
	var b strings.Builder
	var units []string
	for i := range 1 + r.IntN(4) {
		unit := fmt.Sprintf("u%d/op", i)
		units = append(units, unit)
		better := []string{"", " better=lower", " better=higher"}[r.IntN(3)]
		if r.IntN(2) == 0 {
			better += " assume=exact"
		}
		if better != "" {
			b.WriteString("Unit " + unit + better + "\n")
		}
	}
	exactUnits := b.String()
	for k := range 1 + r.IntN(3) {
		clock := []string{"icount", "tcg"}[r.IntN(2)]
		blocks = append(blocks, fmt.Sprintf("kernel: %d\nclock: %s\n", k, clock))
		rows = append(rows, randomRows(r, units, clock, exactUnits))
	}
	return b.String(), blocks, rows
}

// randomRows repeats what is exact and scatters what is not.
func randomRows(r *rand.Rand, units []string, clock, head string) []string {
	var rows []string
	for name := range 1 + r.IntN(5) {
		base := make([]float64, len(units))
		for i := range base {
			base[i] = float64(r.IntN(100000)) / 1000
		}
		for range 1 + r.IntN(12) {
			var b strings.Builder
			fmt.Fprintf(&b, "BenchmarkR/n=%d 1", name)
			for i, unit := range units {
				v := base[i]
				if clock == "tcg" && !strings.Contains(unitLine(head, unit), "exact") {
					v *= 1 + 0.3*r.Float64()
				}
				fmt.Fprintf(&b, " %v %s", v, unit)
			}
			rows = append(rows, b.String()+"\n")
		}
	}
	return rows
}

func unitLine(head, unit string) string {
	for line := range strings.Lines(head) {
		if strings.HasPrefix(line, "Unit "+unit+" ") {
			return line
		}
	}
	return ""
}

func join(r *rand.Rand, head string, blocks []string, rows [][]string) string {
	var b strings.Builder
	b.WriteString(head)
	for _, i := range r.Perm(len(blocks)) {
		b.WriteString(blocks[i])
		shuffled := slices.Clone(rows[i])
		r.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
		b.WriteString(strings.Join(shuffled, ""))
	}
	return b.String()
}

// A file has not changed against itself, in whatever order its rows are.
func TestSameFileHasNotChanged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	compares := 0
	for range 300 {
		head, blocks, rows := randomFile(r)
		old, next := join(r, head, blocks, rows), join(r, head, blocks, rows)
		report := compared(t, old, next, usual())
		compares += len(report.Comparisons)
		for _, c := range report.Comparisons {
			if c.Verdict != Same && (c.Verdict != Unknown || c.Exact) {
				t.Fatalf("%s in %s: %s\n%s\n%s", c.Row, c.Unit, c.verdict(), old, next)
			}
		}
		if report.Outcome == Regression || report.Outcome == Failed || len(report.Apart)+len(report.OnlyOld)+len(report.OnlyNew) > 0 {
			t.Fatalf("%s\n%s\n%s", report.LastLine(), old, next)
		}
	}
	if compares < 1000 {
		t.Fatalf("only %d comparisons were made", compares)
	}
}

// One digit that is changed in one exact row is found and named, and no other.
func TestOneDigit(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		n := 2 + r.IntN(40)
		target := r.IntN(n)
		var old, next strings.Builder
		for _, b := range []*strings.Builder{&old, &next} {
			b.WriteString("clock: icount\nUnit insn/op better=lower\n")
		}
		for i := range n {
			v := r.IntN(1 << 50)
			fmt.Fprintf(&old, "BenchmarkR/n=%d 1 %d insn/op\n", i, v)
			if i == target {
				v++
			}
			fmt.Fprintf(&next, "BenchmarkR/n=%d 1 %d insn/op\n", i, v)
		}
		report := compared(t, old.String(), next.String(), usual())
		if report.Outcome != Regression || report.Count(Worse) != 1 || report.Count(Same) != n-1 {
			t.Fatalf("%s", report.LastLine())
		}
		if worse := report.worse(); !strings.HasPrefix(worse[0], fmt.Sprintf("R/n=%d: ", target)) {
			t.Fatalf("row %d was changed, and %q is named", target, worse[0])
		}
	}
}

// What is worse one way is better the other.
func TestOtherWayRound(t *testing.T) {
	other := map[Verdict]Verdict{Worse: Better, Better: Worse, Same: Same, Changed: Changed, Unknown: Unknown}
	r := rand.New(rand.NewPCG(5, 6))
	seen := map[Verdict]int{}
	for range 200 {
		head, blocks, rows := randomFile(r)
		old, next := join(r, head, blocks, rows), join(r, head, blocks, rows)
		next = strings.ReplaceAll(next, " 1 ", " 1 2") // all first numbers are other numbers now
		there, back := compared(t, old, next, usual()), compared(t, next, old, usual())
		found := map[string]Verdict{}
		for _, c := range back.Comparisons {
			found[inWords(c.Env)+c.Row+c.Unit] = c.Verdict
		}
		for _, c := range there.Comparisons {
			seen[c.Verdict]++
			if got := found[inWords(c.Env)+c.Row+c.Unit]; got != other[c.Verdict] && c.Why == "" {
				t.Fatalf("%s in %s is %s there and %s back", c.Row, c.Unit, c.Verdict, got)
			}
		}
	}
	for v := range other {
		if seen[v] == 0 {
			t.Errorf("nothing was %s", v)
		}
	}
}

// Samples of one distribution are called different in no more comparisons of
// files than alpha says, however many rows these have.
func TestFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const files, rows, samples = 400, 20, 10
	one := func() string {
		var b strings.Builder
		for i := range rows {
			for range samples {
				fmt.Fprintf(&b, "BenchmarkR/n=%d 1 %v ns/op\n", i, 100+r.ExpFloat64())
			}
		}
		return b.String()
	}
	o := usual()
	o.Floor = 0
	alarms, uncorrected := 0, 0
	for range files {
		report := compared(t, one(), one(), o)
		if report.Count(Same) != rows {
			alarms++
		}
		for _, c := range report.Comparisons {
			if *c.P <= o.Alpha {
				uncorrected++
				break
			}
		}
	}
	// Of 400 at 0.05 that is 20, and 33 in not one series of a thousand.
	if alarms > 33 {
		t.Errorf("%d of %d comparisons of equals raise an alarm", alarms, files)
	}
	if uncorrected < files/2 {
		t.Errorf("without a correction only %d do, and this test shows nothing", uncorrected)
	}
}
