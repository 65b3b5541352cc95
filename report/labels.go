// SPDX-License-Identifier: MIT

package report

import (
	"slices"
	"strings"

	"kprof-bench/history"
	"kprof-bench/results"
)

// labels name environments in few words: by the kernel, and by what else tells
// those of one kernel from each other.
type labels struct{ keys []string }

func newLabels(series []history.Series) *labels {
	l := &labels{}
	byKernel := map[string][]results.Config{}
	for _, s := range series {
		kernel := valueOf(s.Env, "kernel")
		first, ok := byKernel[kernel]
		if !ok {
			byKernel[kernel] = s.Env
			continue
		}
		for _, c := range slices.Concat(first, s.Env) {
			if valueOf(first, c.Key) != valueOf(s.Env, c.Key) && !slices.Contains(l.keys, c.Key) {
				l.keys = append(l.keys, c.Key)
			}
		}
	}
	return l
}

func (l *labels) of(s history.Series) string {
	words := []string{valueOf(s.Env, "kernel")}
	if words[0] == "" {
		words[0] = "kernel not said"
	}
	for _, key := range l.keys {
		if v := valueOf(s.Env, key); v != "" {
			words = append(words, key+" "+v)
		}
	}
	return strings.Join(words, ", ")
}

func valueOf(env []results.Config, key string) string {
	for _, c := range env {
		if c.Key == key {
			return c.Value
		}
	}
	return ""
}
