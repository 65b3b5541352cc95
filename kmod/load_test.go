// SPDX-License-Identifier: MIT

package kmod

import (
	"strings"
	"testing"
)

func TestKmsgText(t *testing.T) {
	for _, c := range []struct{ name, record, want string }{
		{"plain", "3,1234,5678901,-;profiler: no symbol\n", "profiler: no symbol"},
		{"with properties", "6,1,2,-;pci 0000:00:01.0: x; y\n SUBSYSTEM=pci\n", "pci 0000:00:01.0: x; y"},
		{"no text", "garbage", ""},
	} {
		if got := kmsgText(c.record); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestParamText(t *testing.T) {
	for _, c := range []struct {
		name   string
		params []Param
		want   string
	}{
		{"none", nil, ""},
		{"two", []Param{{"funcs", "a,b"}, {"maxactive", "7"}}, "funcs=a,b maxactive=7"},
		{"blank inside", []Param{{"funcs", "a, b"}}, `funcs="a, b"`},
		{"empty", []Param{{"funcs", ""}}, "funcs="},
	} {
		if got := paramText(c.params); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestIsParam(t *testing.T) {
	long := strings.Repeat("sys_getpid,", 500)
	for _, c := range []struct {
		name, got, set string
		want           bool
	}{
		{"same", "a,b", "a,b", true},
		{"other", "a", "a,b", false},
		{"cut at a page", long[:4095], long, true},
		{"cut elsewhere", long[:4094], long, false},
		{"of a page, and other", strings.Repeat("x", 4095), long, false},
	} {
		if got := isParam(c.got, c.set); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
