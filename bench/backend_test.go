// SPDX-License-Identifier: MIT

package bench

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/kmod"
)

func TestParseBackends(t *testing.T) {
	for name, test := range map[string]struct {
		names []string
		want  []Backend
		err   string // part of it
	}{
		"one":         {[]string{"direct+hist"}, []Backend{DirectHist}, ""},
		"two":         {[]string{"kretprobe", "direct"}, []Backend{KRetProbe, Direct}, ""},
		"all":         {[]string{"all"}, []Backend{Direct, RetHook, KRetProbe, DirectHist, RetHookHist, KRetProbeHist}, ""},
		"none":        {nil, nil, "no backends are given"},
		"unknown":     {[]string{"direct", "fprobe"}, nil, `there is no backend "fprobe"; use some of direct, rethook, kretprobe, direct+hist, rethook+hist, kretprobe+hist, or all`},
		"twice":       {[]string{"direct", "direct"}, nil, "direct is given twice"},
		"all of some": {[]string{"direct", "all"}, nil, `there is no backend "all"`},
	} {
		got, err := ParseBackends(test.names)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %q", name, err, test.err)
		}
	}
}

func TestBackendParams(t *testing.T) {
	args := kmod.Param{Name: "args", Value: testbedArgs}
	for b, want := range map[Backend][]kmod.Param{
		Direct:        {{Name: "backend", Value: "direct"}, args},
		RetHook:       {{Name: "backend", Value: "rethook"}, args},
		KRetProbeHist: {{Name: "backend", Value: "kretprobe"}, args, {Name: "hist", Value: "Y"}},
	} {
		if diff := cmp.Diff(want, b.params(testbedArgs)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", b, diff)
		}
	}
}

func TestSupportedBackends(t *testing.T) {
	for release, want := range map[string][]Backend{
		"5.10.0-32-amd64":   {KRetProbe, KRetProbeHist},
		"5.10-mine":         {KRetProbe, KRetProbeHist},
		"5.100.1":           AllBackends,
		"6.1.0-56-amd64":    AllBackends,
		"7.3.4+deb13-amd64": AllBackends,
	} {
		got, lacking, err := supported(AllBackends, release)
		if err != nil || !slices.Equal(got, want) || len(got)+len(lacking) != len(AllBackends) {
			t.Errorf("%s: %v, lacking %v, %v; want %v", release, got, lacking, err, want)
		}
	}
	if got, _, err := supported([]Backend{Direct}, "5.10.0-32-amd64"); err == nil {
		t.Errorf("nothing is left, and there is no error: %v", got)
	}
}
