// SPDX-License-Identifier: MIT

package kernels

import (
	"fmt"
	"os"
	"strings"
)

// Features are what a kernel was built with, of what matters to a profiler.
type Features struct {
	KRetProbe   bool `json:"kretprobe"`
	Rethook     bool `json:"rethook"`      // kretprobes are made of rethooks
	FProbe      bool `json:"fprobe"`       // register_fprobe
	DirectCalls bool `json:"direct_calls"` // register_ftrace_direct
	BTF         bool `json:"btf"`          // describes its own types
	IBT         bool `json:"ibt"`          // tracks indirect branches
	RealTime    bool `json:"preempt_rt"`
}

// Words names those that there are, as `kernels list` heads its columns.
func (f Features) Words() []string {
	var words []string
	for _, w := range []struct {
		name string
		has  bool
	}{
		{"kretprobe", f.KRetProbe}, {"rethook", f.Rethook}, {"fprobe", f.FProbe}, {"direct", f.DirectCalls},
		{"BTF", f.BTF}, {"IBT", f.IBT}, {"RT", f.RealTime},
	} {
		if w.has {
			words = append(words, w.name)
		}
	}
	return words
}

// Features reads them in the kernel's configuration.
func (k *Kernel) Features() (Features, error) {
	b, err := os.ReadFile(k.Config)
	if err != nil {
		return Features{}, fmt.Errorf("features of %s: %w", k.Release, err)
	}
	has := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutSuffix(strings.TrimSpace(line), "=y"); ok {
			has[name] = true
		}
	}
	return Features{
		KRetProbe:   has["CONFIG_KRETPROBES"],
		Rethook:     has["CONFIG_KRETPROBE_ON_RETHOOK"],
		FProbe:      has["CONFIG_FPROBE"],
		DirectCalls: has["CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"],
		BTF:         has["CONFIG_DEBUG_INFO_BTF"],
		IBT:         has["CONFIG_X86_KERNEL_IBT"],
		RealTime:    has["CONFIG_PREEMPT_RT"],
	}, nil
}
