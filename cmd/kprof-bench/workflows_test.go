// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"kprof-bench/kernels"
)

// workflowCommands are the command lines in a workflow that begin with a word,
// with their continuations.
func workflowCommands(text, word string) [][]string {
	text = strings.ReplaceAll(text, "\\\n", " ")
	var all [][]string
	for line := range strings.Lines(text) {
		at := regexp.MustCompile(`(^|[\s|&])` + regexp.QuoteMeta(word) + `\s`).FindStringIndex(line)
		if at == nil || strings.Contains(line, "apt-get") || strings.TrimSpace(line[at[1]:]) == "" {
			continue
		}
		command, _, _ := strings.Cut(line[at[1]:], "||")
		all = append(all, strings.Fields(command))
	}
	return all
}

// What the workflows call is there: commands with their flags, targets of the
// Makefile, and kernels.
func TestWorkflows(t *testing.T) {
	names, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(names) < 2 {
		t.Fatalf("workflows %q, %v", names, err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	calls, targets := 0, 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range workflowCommands(string(text), "bin/kprof-bench") {
			calls++
			root := &cobra.Command{Use: "kprof-bench"}
			root.AddCommand(nightlyCommand())
			cmd, rest, err := root.Find(args)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err != nil || cmd == root {
				t.Errorf("%s: %q: %v", name, args, err)
			}
		}
		for _, list := range workflowCommands(string(text), "make") {
			for _, target := range list {
				targets++
				if target == "bin/kprof-bench" {
					target = "$(BENCH)"
				}
				if !strings.Contains(string(makefile), "\n"+target+":") {
					t.Errorf("%s: make %s: there is no such target", name, target)
				}
			}
		}
	}
	if calls < 2 || targets < 4 {
		t.Errorf("%d commands and %d targets are fewer than there were", calls, targets)
	}
}

// The nights measure the kernels that all are.
func TestNightlyKernels(t *testing.T) {
	text, err := os.ReadFile("../../.github/workflows/nightly.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{`(?m)^  KERNELS: (.*)$`, `(?m)^ +kernel: \[(.*)\]$`} {
		m := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
		if m == nil {
			t.Fatalf("%s is not there", pattern)
		}
		got := strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(" ,'", r) })
		if !slices.Equal(got, kernels.Series) {
			t.Errorf("kernels %q, want %q", got, kernels.Series)
		}
	}
}
