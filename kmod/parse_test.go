// SPDX-License-Identifier: MIT

package kmod

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStats(t *testing.T) {
	// The example of the module's documented format.
	got, err := ParseStats([]byte("sys_getpid:1421:13\nsys_clone:30475:795\n"))
	want := []Stat{{"sys_getpid", 1421, 13}, {"sys_clone", 30475, 795}}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("error %v, difference %s", err, cmp.Diff(want, got))
	}
}

func TestParseStatsRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no line feed at the end": "f:1:2",
		"field missing":           "f:1\n",
		"field too many":          "f:1:2:3\n",
		"empty symbol":            ":1:2\n",
		"empty line":              "f:1:2\n\ng:1:2\n",
		"negative average":        "f:-1:2\n",
		"sign":                    "f:+1:2\n",
		"leading zero":            "f:01:2\n",
		"space":                   "f: 1:2\n",
		"hexadecimal":             "f:0x1:2\n",
		"more than 64 bits":       "f:1:18446744073709551616\n",
		"carriage return":         "f:1:2\r\n",
	} {
		if got, err := ParseStats([]byte(text)); err == nil {
			t.Errorf("%s: %q was taken for %v", name, text, got)
		}
	}
}

func TestParseMissedAndBackends(t *testing.T) {
	missed, err := ParseMissed([]byte("sys_getpid:0\nsys_clone:12\n"))
	if want := []Count{{"sys_getpid", 0}, {"sys_clone", 12}}; err != nil || cmp.Diff(want, missed) != "" {
		t.Errorf("missed: error %v, difference %s", err, cmp.Diff(want, missed))
	}
	backends, err := ParseBackends([]byte("sys_getpid:kretprobe:__x64_sys_getpid:the clock is not the TSC\nsys_read:direct:__x64_sys_read:\n"))
	if want := []Backend{
		{"sys_getpid", "kretprobe", "__x64_sys_getpid", "the clock is not the TSC"},
		{"sys_read", "direct", "__x64_sys_read", ""},
	}; err != nil || cmp.Diff(want, backends) != "" {
		t.Errorf("backends: error %v, difference %s", err, cmp.Diff(want, backends))
	}
	if got, err := ParseBackends([]byte("f::g:\n")); err == nil {
		t.Errorf("empty backend was taken for %v", got)
	}
}

func TestParseDurations(t *testing.T) {
	latency, err := ParseLatency([]byte("sys_getpid:68:70:1000\nsys_read:0:0:0\n"))
	if want := []Latency{{"sys_getpid", 68, 70, 1000}, {Symbol: "sys_read"}}; err != nil || cmp.Diff(want, latency) != "" {
		t.Errorf("latency: error %v, difference %s", err, cmp.Diff(want, latency))
	}
	histogram, err := ParseHistogram([]byte("f:0:1:3\nf:2:3:1\nf:64:127:12\nf:9223372036854775808:18446744073709551615:1\n"))
	if want := []Bucket{{"f", 0, 1, 3}, {"f", 2, 3, 1}, {"f", 64, 127, 12}, {"f", 1 << 63, 1<<64 - 1, 1}}; err != nil || cmp.Diff(want, histogram) != "" {
		t.Errorf("histogram: error %v, difference %s", err, cmp.Diff(want, histogram))
	}
	calibration, err := ParseCalibration([]byte("direct:tsc:10\nkretprobe:mono:211\n"))
	if want := []Calibration{{"direct", "tsc", 10}, {"kretprobe", "mono", 211}}; err != nil || cmp.Diff(want, calibration) != "" {
		t.Errorf("calibration: error %v, difference %s", err, cmp.Diff(want, calibration))
	}
	for _, text := range []string{"f:1:0:1\n", "f:1:2\n", "f:1:2:x\n"} {
		if got, err := ParseLatency([]byte(text)); err == nil {
			t.Errorf("latency: %q was taken for %v", text, got)
		}
	}
	for _, text := range []string{"f:0:0:1\n", "f:1:1:1\n", "f:2:4:1\n", "f:3:5:1\n", "f:4:7:0\n", "f:4:7\n", "f:4:8:-1\n"} {
		if got, err := ParseHistogram([]byte(text)); err == nil {
			t.Errorf("histogram: %q was taken for %v", text, got)
		}
	}
	for _, text := range []string{"direct:tsc\n", "direct:hpet:1\n", "direct:tsc:1.5\n"} {
		if got, err := ParseCalibration([]byte(text)); err == nil {
			t.Errorf("calibration: %q was taken for %v", text, got)
		}
	}
}

func TestParseMemleaks(t *testing.T) {
	text := "0xffffc90000005000:possible leak:0xffffffffc0201234\n" +
		"0xffffc90000007000:not freed yet:0xffffffff81000042\n"
	got, err := ParseMemleaks([]byte(text))
	want := []Leak{
		{0xffffc90000005, PossibleLeak, 0xffffffffc0201234},
		{0xffffc90000007, NotFreedYet, 0xffffffff81000042},
	}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("error %v, difference %s", err, cmp.Diff(want, got))
	}
	if got, err := ParseMemleaks(nil); err != nil || len(got) != 0 {
		t.Errorf("no blocks: got %v, %v", got, err)
	}
}

func TestParseMemleaksRefuses(t *testing.T) {
	const good = "0xffffc90000005000:possible leak:0xffffffffc0201234\n"
	for name, text := range map[string]string{
		"cut off":            good[:len(good)-1],
		"block unaligned":    strings.Replace(good, "5000", "5008", 1),
		"no such verdict":    strings.Replace(good, "possible leak", "certain leaks", 1),
		"capital digits":     strings.Replace(good, "c90000005000", "C90000005000", 1),
		"no 0x":              strings.Replace(good, "0xffffc", "00ffffc", 1)[:len(good)],
		"no line feed":       strings.Replace(good, "\n", " ", 1),
		"the same twice":     good + good,
		"falling addresses":  good + strings.Replace(good, "5000", "4000", 1),
		"colon in a verdict": strings.Replace(good, "possible leak", "possible:leak", 1),
	} {
		if got, err := ParseMemleaks([]byte(text)); err == nil {
			t.Errorf("%s: %q was taken for %v", name, text, got)
		}
	}
}

const statusText = `live 2
allocated 5
freed 3
unknown_free 1
overwritten 0
lost 0
missed 0
scans 4
scan_passes 3
scan_ns 123456
scan_read_ns 4567
scan_words 512
scan_unreadable_pages 0
scan_device_pages 7
scan_poisoned_pages 0
scan_free_pages 3
scan_bookkeeping_words 6
scan_idle_words 9
scan_self_words 8
scan_stale 0
bookkeeping_known 1
family 1
`

func TestParseStatus(t *testing.T) {
	got, err := ParseStatus([]byte(statusText))
	want := Status{Live: 2, Allocated: 5, Freed: 3, UnknownFree: 1, Scans: 4, Passes: 3, ScanNs: 123456, ScanReadNs: 4567,
		ScanWords: 512, DevicePages: 7, FreePages: 3, BookkeepingWords: 6, IdleWords: 9, SelfWords: 8, BookkeepingKnown: 1, Family: 1}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("error %v, difference %s", err, cmp.Diff(want, got))
	}
	for name, text := range map[string]string{
		"line missing":  strings.Replace(statusText, "lost 0\n", "", 1),
		"line cut off":  strings.TrimSuffix(statusText, "\n"),
		"line twice":    statusText + "lost 0\n",
		"unknown name":  statusText + "found 0\n",
		"no number":     strings.Replace(statusText, "lost 0", "lost", 1),
		"two numbers":   strings.Replace(statusText, "lost 0", "lost 0 0", 1),
		"negative":      strings.Replace(statusText, "lost 0", "lost -1", 1),
		"nothing there": "",
	} {
		if got, err := ParseStatus([]byte(text)); err == nil {
			t.Errorf("%s: was taken for %v", name, got)
		}
	}
}

// What a parser accepts, it must have understood whole: printed again in the
// module's format it is the same text.
func FuzzParseStats(f *testing.F) {
	f.Add("sys_getpid:1421:13\nsys_clone:30475:795\n")
	f.Add(":::\n")
	f.Fuzz(func(t *testing.T, text string) {
		stats, err := ParseStats([]byte(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, s := range stats {
			fmt.Fprintf(&again, "%s:%d:%d\n", s.Symbol, s.AverageNs, s.Invocations)
		}
		if again.String() != text {
			t.Errorf("%q was taken for %q", text, again.String())
		}
	})
}

func FuzzParseHistogram(f *testing.F) {
	f.Add("sys_getpid:0:1:3\nsys_getpid:64:127:12\n")
	f.Fuzz(func(t *testing.T, text string) {
		buckets, err := ParseHistogram([]byte(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, b := range buckets {
			fmt.Fprintf(&again, "%s:%d:%d:%d\n", b.Symbol, b.FromNs, b.ToNs, b.Calls)
		}
		if again.String() != text {
			t.Errorf("%q was taken for %q", text, again.String())
		}
	})
}

func FuzzParseMemleaks(f *testing.F) {
	f.Add("0xffffc90000005000:possible leak:0xffffffffc0201234\n0xffffc90000007000:not freed yet:0xffffffff81000042\n")
	f.Add("0xffffc90000005000:possible leak:0xffffffffc020123g\n")
	f.Fuzz(func(t *testing.T, text string) {
		leaks, err := ParseMemleaks([]byte(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, l := range leaks {
			fmt.Fprintf(&again, "0x%016x:%s:0x%016x\n", l.Page<<PageShift, l.Verdict, l.IP)
		}
		if again.String() != text {
			t.Errorf("%q was taken for %q", text, again.String())
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	f.Add(statusText)
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseStatus([]byte(text)); err == nil && strings.Count(text, "\n") != strings.Count(statusText, "\n") {
			t.Errorf("%q was taken for %+v", text, s)
		}
	})
}
