// SPDX-License-Identifier: MIT

package bench

import (
	"slices"
	"strings"
	"testing"
)

func TestParseExperiments(t *testing.T) {
	for name, test := range map[string]struct {
		names []string
		want  []Experiment
		says  string
	}{
		"none":     {nil, DefaultExperiments, ""},
		"one":      {[]string{"latency"}, []Experiment{Latency}, ""},
		"several":  {[]string{"calls", "leaks"}, []Experiment{Calls, Leaks}, ""},
		"unknown":  {[]string{"leaks", "leak"}, nil, `there is no experiment "leak"; use some of leaks, vmalloc, lengths, counts, calls, overhead, latency`},
		"no name":  {[]string{""}, nil, `there is no experiment ""`},
		"both":     {[]string{"overhead", "calls"}, nil, "experiment overhead is a part of calls; leave one of them out"},
		"repeated": {[]string{"calls", "leaks", "calls"}, nil, "experiment calls is given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseExperiments(test.names)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("error %v, want %q", err, test.says)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestFunctionsGoWithCalls(t *testing.T) {
	for name, test := range map[string]struct {
		only  []Experiment
		funcs []string
		ok    bool
	}{
		"by default":           {nil, []string{"sys_getpid"}, true},
		"by default, none":     {nil, nil, false},
		"calls":                {[]Experiment{Calls}, []string{"sys_getpid"}, true},
		"calls, none":          {[]Experiment{Leaks, Calls}, nil, false},
		"overhead":             {[]Experiment{Overhead}, []string{"sys_getpid"}, true},
		"overhead, none":       {[]Experiment{Overhead}, nil, false},
		"leaks":                {[]Experiment{Leaks}, nil, true},
		"leaks and a function": {[]Experiment{Leaks}, []string{"sys_getpid"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := (Options{Only: test.only, Funcs: test.funcs, Rate: "max"}).Check(); (err == nil) != test.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}
