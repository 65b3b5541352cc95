// SPDX-License-Identifier: MIT

package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// log is what QEMU 7.2 writes: a block of translated code, and that it is executed.
const log = `----------------
IN: 
0xffffffff81c00e43:  fc                       cld      

Trace 0: 0x7f5f32799400 [0000000000000000/ffffffff81c00e43/18c0c290/ff020201] 
----------------
IN: 
0xffffffff81c00e44:  e8 b7 06 00 00           callq    0xffffffff81c01500

Trace 0: 0x7f5f32799540 [0000000000000000/ffffffff81c00e44/18c0c290/ff020201] 
----------------
IN: 
0xffffffff81c01500:  48 c7 84 24 80 00 00 00  movq     $0xffffffff80000000, 0x80(%rsp)
0xffffffff81c01508:  00 00 00 80              

Trace 0: 0x7f5f327996c0 [0000000000000000/ffffffff81c01500/18c0c290/ff020201] 
----------------
IN: 
0xffffffff81c0150c:  0f                       .byte    0x0f
0xffffffff81c0150d:  01 ee                    addl     %ebp, %esi

Trace 0: 0x7f5f32799840 [0000000000000000/ffffffff81c0150c/18c0c290/ff020201] 
----------------
IN: 
0xffffffff81c0150f:  c3                       retq     

Trace 0: 0x7f5f32799840 [0000000000000000/ffffffff81c0150f/18c0c290/ff020201] 
`

func parsed(t *testing.T, p *Parser, log string) string {
	t.Helper()
	steps, err := p.Parse([]byte(log))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&text, "%x+%d:%d ", s.PC&0xffff, s.Size, s.kind)
	}
	return text.String()
}

func TestParse(t *testing.T) {
	again := "Trace 0: 0x7f [0000000000000000/ffffffff81c0150f/18c0c290/ff020201] \n"
	for name, c := range map[string]struct{ log, want string }{
		"a log": {log, fmt.Sprintf("e43+1:%d e44+5:%d 1500+12:%d 150c+3:%d 150f+1:%d ", plain, call, plain, plain, ret)},
		"executed again, without being translated": {
			log + again, fmt.Sprintf("e43+1:%d e44+5:%d 1500+12:%d 150c+3:%d 150f+1:%d 150f+1:%[5]d ", plain, call, plain, plain, ret)},
		"stopped before it did anything": {
			log + "Stopped execution of TB chain before 0x7f5f32799840 [ffffffff81c0150f] \n",
			fmt.Sprintf("e43+1:%d e44+5:%d 1500+12:%d 150c+3:%d ", plain, call, plain, plain)},
		"to be done once more, as the last of a block": {
			log + "cpu_io_recompile: rewound execution of TB to ffffffff81c0150f\n" + again,
			fmt.Sprintf("e43+1:%d e44+5:%d 1500+12:%d 150c+3:%d 150f+1:%d ", plain, call, plain, plain, ret)},
		"nothing": {"", ""},
	} {
		if got := parsed(t, &Parser{}, c.log); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A later stretch does not say again what code is where, unless it has changed.
func TestParseStretches(t *testing.T) {
	p := &Parser{}
	parsed(t, p, log)
	const at = "Trace 0: 0x7f [0000000000000000/ffffffff81c00e44/18c0c290/ff020201] \n"
	if got, want := parsed(t, p, at), fmt.Sprintf("e44+5:%d ", call); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	patched := "IN: \n0xffffffff81c00e44:  0f 1f 44 00 00           nopl     (%rax, %rax)\n\n"
	if got, want := parsed(t, p, patched+at), fmt.Sprintf("e44+5:%d ", plain); got != want {
		t.Errorf("patched, it is %q, want %q", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ log, says string }{
		"code that nobody knows": {"Trace 0: 0x7f [0/ffffffff81c00e44/1/2] \n", "line 1 of the trace: nothing says what is at that address"},
		"no address":             {"Trace 0: 0x7f\n", "no address"},
		"an address in words":    {"Trace 0: 0x7f [0/here/1/2]\n", "no address"},
		"code without bytes":     {"IN: \n\n", "line 2 of the trace: code has no bytes"},
		"two instructions in a block": {
			"IN: \n0xffffffff81c00e43:  fc                       cld      \n0xffffffff81c00e44:  c3                       retq     \n\n",
			"more than one instruction"},
		"code from two places": {
			"IN: \n0xffffffff81c00e43:  fc                       cld      \n0xffffffff81c00e50:  c3                       retq     \n\n",
			"more than one instruction"},
	} {
		if _, err := (&Parser{}).Parse([]byte(c.log)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q in it", name, err, c.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(log))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = (&Parser{}).Parse(text)
	})
}

func TestKinds(t *testing.T) {
	for code, want := range map[string]kind{
		"\x90": plain, "\xf3\x0f\x1e\xfa": plain, // endbr64
		"\xe8\x00\x00\x00\x00": call, "\xff\xd0": call, "\xff\x15\x00\x00\x00\x00": call, "\x41\xff\xd3": call,
		"\xc3": ret, "\xf3\xc3": ret, "\xc2\x08\x00": ret,
		"\xe9\x00\x00\x00\x00": jump, "\xeb\x10": jump, "\xff\xe0": jump, "\x3e\xff\xe0": jump, "\x41\xff\xe3": jump,
		"\x74\x10": branch, "\x0f\x84\x00\x00\x00\x00": branch, "\xe2\x10": branch,
		"\x0f\x05": systemCall, "\x48\x0f\x07": systemRet, "\x48\xcf": interruptRet,
		"\x0f\x31": readTicks, "\x0f\x01\xee": plain, // rdpkru
	} {
		i, err := newInsn(0x1000, []byte(code))
		if err != nil || i.kind != want || i.Size != len(code) {
			t.Errorf("% x is of kind %d with %d bytes (%v), want %d with %d", code, i.kind, i.Size, err, want, len(code))
		}
	}
}

func TestTargets(t *testing.T) {
	got := map[string]uint64{}
	for _, code := range []string{"\xe8\x10\x00\x00\x00", "\xeb\xfe", "\x74\x7f", "\xff\xe0"} {
		i, err := newInsn(0xffffffff81000000, []byte(code))
		if err != nil {
			t.Fatal(err)
		}
		got[code] = i.target
	}
	want := map[string]uint64{"\xe8\x10\x00\x00\x00": 0xffffffff81000015, "\xeb\xfe": 0xffffffff81000000, "\x74\x7f": 0xffffffff81000081, "\xff\xe0": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}
