// SPDX-License-Identifier: MIT

package workloads

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestForFindsTheGenerator(t *testing.T) {
	tests := map[string]struct{ function, want string }{
		"as people type it":       {"sys_getpid", "getpid"},
		"as the kernel spells it": {"__x64_sys_getpid", "getpid"},
		"on arm64":                {"__arm64_sys_read", "read"},
		"second function":         {"sys_wait4", "clone"},
		"opens and closes":        {"sys_openat", "openat"},
		"called by a system call": {"vfs_read", "read"},
		"sleeps":                  {"do_nanosleep", "nanosleep"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g, err := For(test.function)
			if err != nil || g.Name != test.want {
				t.Errorf("For(%q) is %q, %v, want %q", test.function, g.Name, err, test.want)
			}
			if g.Calls(test.function) != 1 {
				t.Errorf("Calls(%q) is %d, want 1", test.function, g.Calls(test.function))
			}
		})
	}
}

func TestForSaysWhatIsKnown(t *testing.T) {
	for _, function := range []string{"sys_reboot", "", "getpid", "__x64_", "x__x64_sys_getpid"} {
		_, err := For(function)
		var unknown *UnknownFunctionError
		if !errors.As(err, &unknown) {
			t.Errorf("For(%q): error %v, want an UnknownFunctionError", function, err)
			continue
		}
		if !slices.IsSorted(unknown.Known) || len(unknown.Known) < 18 {
			t.Errorf("known functions are not sorted, or few: %q", unknown.Known)
		}
		for _, name := range []string{"sys_clone", "sys_getpid", "vfs_read"} {
			if !slices.Contains(unknown.Known, name) || !strings.Contains(err.Error(), name+", ") {
				t.Errorf("error %q does not list %s", err, name)
			}
		}
	}
}

func TestAllIsSortedAndComplete(t *testing.T) {
	seen := map[string]string{}
	all := All()
	if !slices.IsSortedFunc(all, func(a, b Generator) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted by name")
	}
	for _, g := range all {
		if g.Doc == "" || g.DefaultCalls <= 0 || g.Batch <= 0 || g.DefaultCalls%g.Batch != 0 {
			t.Errorf("%s lacks a doc, or its default calls are no whole number of batches: %+v", g.Name, g)
		}
		for _, f := range g.Funcs {
			if other, twice := seen[f.Name]; twice {
				t.Errorf("%s is driven by %s and by %s", f.Name, other, g.Name)
			}
			seen[f.Name] = g.Name
		}
	}
}

func TestGeneratorWithoutProgram(t *testing.T) {
	if _, err := (Generator{Name: "none"}).Prepare(); err == nil {
		t.Error("no error")
	}
}
