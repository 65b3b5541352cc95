// SPDX-License-Identifier: MIT

package plots

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const peerRows = `BenchmarkPeer/peer=kprobe_events/func=sys_getpid  6000  1706.79 overhead-insn/op  773.827 bias-insn/op
BenchmarkPeer/peer=profiler-direct/func=sys_getpid  6000  25 overhead-insn/op  0 bias-insn/op
BenchmarkPeer/peer=profiler-direct/func=tb_work/n=1  3000  29 overhead-insn/op  0 bias-insn/op
BenchmarkPeer/peer=profiler-direct/func=sys_read  3000  29 overhead-insn/op  0 bias-insn/op
BenchmarkPeer/peer=kprobe_events-hist/func=sys_getpid  6000  2175 overhead-insn/op
BenchmarkPeerBurst/peer=profiler-direct/func=sys_getpid  6000  0 lost
BenchmarkPeerTool/peer=bpftrace/func=sys_getpid  6000  2926 tool-overhead-insn/op  1690.3 tool-bias-insn/op
`

func TestPeersChart(t *testing.T) {
	var p Peers
	if err := p.Add(file(t, peerRows)); err != nil {
		t.Fatal(err)
	}
	if err := p.Add(file(t, "BenchmarkPeer/peer=profiler-direct/func=sys_getpid  6000  27 overhead-insn/op  2 bias-insn/op\n")); err != nil {
		t.Fatal(err)
	}
	c := p.chart()
	var names []string
	var overheads, biases []float64
	for i, n := range c.names {
		names = append(names, n.Label)
		overheads = append(overheads, c.panels[0].marks[i].value())
		biases = append(biases, c.panels[1].marks[i].value())
	}
	if diff := cmp.Diff([]string{"profiler-direct", "kprobe_events", "kprobe_events-hist", "bpftrace"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{26, 1706.79, 2175, 2926}, overheads); diff != "" {
		t.Errorf("overheads (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{1, 773.827, 0, 1690.3}, biases); diff != "" {
		t.Errorf("biases (-want +got):\n%s", diff)
	}
	svg, err := p.Draw(SVG)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{">Ways to count and time calls of sys_getpid<", ">tracefs<", ">1706.79<", ">not measured<"} {
		if !strings.Contains(string(svg), text) {
			t.Errorf("%s is not in the chart", text)
		}
	}
}

func TestPeersChartRefuses(t *testing.T) {
	var p Peers
	if _, err := p.Draw(SVG); !errors.Is(err, ErrNoPeers) {
		t.Errorf("an empty chart: %v", err)
	}
	for says, text := range map[string]string{
		ErrNoPeers.Error():                  "BenchmarkProbe/func=f 1 2 overhead-insn/op\n",
		"no peer, or no overhead-insn/op":   "BenchmarkPeer/func=f 1 2 overhead-insn/op\n",
		"tool-overhead-insn/op that a call": "BenchmarkPeerTool/peer=x/func=f 1 2 overhead-insn/op\n",
	} {
		if err := p.Add(file(t, text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}
