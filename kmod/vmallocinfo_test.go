// SPDX-License-Identifier: MIT

package kmod

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lines of Linux 6.1 and 6.12.
const vmallocinfoText = `0xffffc90000000000-0xffffc90000005000   20480 irq_init_percpu_irqstack+0x114/0x1b0 vmap
0xffffc90000005000-0xffffc90000007000    8192 gen_pool_add_owner+0x42/0xb0 pages=1 vmalloc N0=1
0xffffc90000065000-0xffffc90000067000    8192 tb_site_leaked+0x12/0x30 [kprof_testbed] pages=1 vmalloc N0=1
0xffffc90000067000-0xffffc90000068000    4096 unpurged vm_area
0xffffc90000070000-0xffffc90000080000   65536 vm_map_ram
0xffffc90000080000-0xffffc90000082000    8192 0xffffffffc0203b90 pages=1 vmalloc N0=1
0xffffc90000082000-0xffffc90000084000    8192
`

func TestParseVmallocinfo(t *testing.T) {
	got, err := parseVmallocinfo(vmallocinfoText)
	want := []Area{
		{0xffffc90000000, 20480, "irq_init_percpu_irqstack", 0x114, ""},
		{0xffffc90000005, 8192, "gen_pool_add_owner", 0x42, ""},
		{0xffffc90000065, 8192, "tb_site_leaked", 0x12, "kprof_testbed"},
		{Page: 0xffffc90000067, Bytes: 4096}, {Page: 0xffffc90000070, Bytes: 65536},
		{Page: 0xffffc90000080, Bytes: 8192}, {Page: 0xffffc90000082, Bytes: 8192},
	}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("error %v, (-want +got):\n%s", err, cmp.Diff(want, got))
	}
	for name, text := range map[string]string{
		"garbled":     "0x0000000012345678-0x000000001234a678   20480 f+0x1/0x2\n",
		"zeros":       "0x0000000000000000-0x0000000000000000   20480 f+0x1/0x2\n",
		"no start":    "20480\n",
		"no prefix":   "ffffc90000000000-ffffc90000005000   20480\n",
		"bad offset":  "0xffffc90000000000-0xffffc90000005000 20480 f+x/0x2\n",
		"no size":     "0xffffc90000000000-0xffffc90000005000 big f+0x1/0x2\n",
		"empty line":  "\n",
		"inside page": "0xffffc90000000010-0xffffc90000005000 20480\n",
	} {
		if got, err := parseVmallocinfo(text); err == nil {
			t.Errorf("%s: was taken for %+v", name, got)
		}
	}
}
