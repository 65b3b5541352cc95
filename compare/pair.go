// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"strings"

	"kprof-bench/results"
)

// pair is a row of both files. Why says why it is not compared, if it is not.
type pair struct {
	old, next *row
	why       string
}

// pairing is which rows go together.
type pairing struct {
	pairs            []pair
	onlyOld, onlyNew []*row
}

// pairUp pairs rows by name: those of the same environment first, and then those
// whose environments differ in the fewest things, to say in which.
func pairUp(old, next []*row) pairing {
	byName := map[string][]*row{}
	for _, r := range next {
		byName[r.name] = append(byName[r.name], r)
	}
	partner := map[*row]*row{}
	for differing := range len(environment) + 1 {
		for _, o := range old {
			if partner[o] != nil {
				continue
			}
			for _, n := range byName[o.name] {
				if partner[n] == nil && len(differences(o.env, n.env)) == differing {
					partner[o], partner[n] = n, o
					break
				}
			}
		}
	}
	return pairingOf(old, next, partner)
}

func pairingOf(old, next []*row, partner map[*row]*row) pairing {
	var p pairing
	for _, o := range old {
		if n := partner[o]; n != nil {
			p.pairs = append(p.pairs, pair{o, n, strings.Join(differences(o.env, n.env), ", ")})
		} else {
			p.onlyOld = append(p.onlyOld, o)
		}
	}
	for _, n := range next {
		if partner[n] == nil {
			p.onlyNew = append(p.onlyNew, n)
		}
	}
	return p
}

// differences says in what two environments differ.
func differences(old, next []results.Config) []string {
	var all []string
	a, b := asMap(old), asMap(next)
	for _, key := range environment {
		if a[key] != b[key] {
			all = append(all, fmt.Sprintf("%s is %s in OLD and %s in NEW", key, orNothing(a[key]), orNothing(b[key])))
		}
	}
	return all
}

func asMap(env []results.Config) map[string]string {
	m := map[string]string{}
	for _, c := range env {
		m[c.Key] = c.Value
	}
	return m
}

func orNothing(value string) string {
	if value == "" {
		return "not said"
	}
	return value
}
