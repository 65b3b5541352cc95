// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// byHand does what a user does who has only read how it is meant to be used.
func byHand(t *T) {
	out := shOK(t, `
		insmod /modules/profiler.ko funcs=sys_getpid,sys_clone
		cd /sys/class/qeexo/profiler
		{ read one; read two; } < stats  # no process is made for these
		echo $one; echo $two
		(:); (:); (:)                    # three are
		/bin/cat stats                   # and a fourth
		/bin/cat backends missed
		rmmod profiler
		/bin/ls /sys/class/qeexo 2>&1; true`)
	how := func(symbol string) string { return byChoice(1) + ":" + symbol + ":" + lacking(rethook) }
	lines := strings.Split(out, "\n")
	if len(lines) > 3 {
		lines[3] = withoutAverage(t, lines[3])
	}
	want := []string{
		"sys_getpid:0:0", "sys_clone:0:0",
		"sys_getpid:0:0", "sys_clone:AVERAGE:4",
		"sys_getpid:" + how("__x64_sys_getpid"), "sys_clone:" + how("__x64_sys_clone"),
		"sys_getpid:0", "sys_clone:0",
		"ls: /sys/class/qeexo: No such file or directory", "",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// withoutAverage takes the average out of a line of stats, which must not be 0.
func withoutAverage(t *T, line string) string {
	f := strings.Split(line, ":")
	if len(f) != 3 {
		return line
	}
	if avg, err := strconv.ParseUint(f[1], 10, 64); err != nil || avg == 0 {
		t.Errorf("%q has no average", line)
	}
	return f[0] + ":AVERAGE:" + f[2]
}

// exactSpelling gives names as kallsyms has them, alone and among others, in
// an order that is not that of the kernel.
func exactSpelling(t *T) {
	tb := loadTestbed(t)
	p := load(t, []string{"sys_times", "__x64_sys_getpid", "__do_sys_getppid"})
	must(tb.Call("__x64_sys_getpid", 13))(t)
	must(tb.Call("__x64_sys_times", 2))(t)
	got := must(p.Stats())(t)
	for i := range got {
		got[i].AverageNs = 0
	}
	want := []kmod.Stat{{Symbol: "sys_times", Invocations: 2}, {Symbol: "__x64_sys_getpid", Invocations: 13}, {Symbol: "__do_sys_getppid"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if b := must(p.Backends())(t)[1].KernelSymbol; b != "__x64_sys_getpid" {
		t.Errorf("__x64_sys_getpid is probed as %s", b)
	}
}

func modes(t *T) {
	load(t, []string{"sys_getpid"}, hist)
	for file, mode := range map[string]os.FileMode{
		"stats": 0o444, "memleaks": 0o400, "scan_start_addr": 0o200, "scan_end_addr": 0o200,
		"missed": 0o444, "backends": 0o444, "kmp_status": 0o444, "calibration": 0o444,
		"latency": 0o444, "histogram": 0o444, "reset": 0o200,
	} {
		path := filepath.Join(kmod.ProfilerDir, file)
		if st := must(os.Stat(path))(t); st.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", file, st.Mode(), mode)
		}
		_, err := os.ReadFile(path)
		if denied := errors.Is(err, unix.EACCES); denied != (mode == 0o200) {
			t.Errorf("root reads %s: %v", file, err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if denied := errors.Is(err, unix.EACCES); denied != (mode != 0o200) {
			t.Errorf("root opens %s for writing: %v", file, err)
		}
		f.Close()
		cmd := exec.Command("/bin/cat", path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); (err == nil) != (mode == 0o444) {
			t.Errorf("nobody reads %s: %v, %s", file, err, out)
		}
	}
}

// badFunctions holds the answer to each bad list against the symbol that is
// wrong with it, and checks that nothing is left of the names before it.
func badFunctions(t *T) {
	load(t, nil) // the first module of its kind makes the kernel complain
	ok(t, remove(kmod.ProfilerModule))
	before := takeFootprint(t)
	load(t, []string{"sys_getpid"})
	wantSeen(t, before)
	ok(t, remove(kmod.ProfilerModule))
	wantFootprint(t, "a good list", before)

	// KSYM_NAME_LEN, in which "__x64_" must still fit.
	room := 512
	if is510() {
		room = 128
	}
	longest := strings.Repeat("x", room-len("__x64_")-1)
	log := openLog(t)
	for _, c := range []struct {
		name, params string
		errno        unix.Errno
		named        []string
	}{
		{"no symbol", "funcs=no_such_function", unix.ENOENT, []string{"funcs:", "'no_such_function'"}},
		{"no system call", "funcs=sys_no_such_call", unix.ENOENT, []string{"'sys_no_such_call'"}},
		{"no symbol after good ones", "funcs=sys_getpid,vfs_read,no_such_function", unix.ENOENT, []string{"'no_such_function'"}},
		{"no symbol before good ones", "funcs=no_such_function,sys_getpid", unix.ENOENT, []string{"'no_such_function'"}},
		{"offset", "funcs=vfs_read+4", unix.ENOENT, []string{"'vfs_read+4'"}},
		{"blank before a name", `funcs="sys_getpid, sys_clone"`, unix.ENOENT, []string{"' sys_clone'"}},
		{"line feed", "funcs=\"sys_getpid\nBUG: so it says\"", unix.ENOENT, []string{`'sys_getpid\x5cnBUG: so it says'`}},
		{"longest name", "funcs=" + longest, unix.ENOENT, []string{longest}},
		{"too long a name", "funcs=sys_getpid,x" + longest, unix.EINVAL, []string{"name 2 of 2", "too long"}},
		{"blacklisted", "funcs=get_kprobe", unix.EOPNOTSUPP, []string{"'get_kprobe'", "cannot be probed"}},
		{"data", "funcs=jiffies", unix.EOPNOTSUPP, []string{"'jiffies'", "cannot be probed"}},
		{"blacklisted after good ones", "funcs=vfs_read,sys_clone,get_kprobe", unix.EOPNOTSUPP, []string{"'get_kprobe'"}},
		{"nothing", "funcs=", unix.EINVAL, []string{"name 1 of 1 is empty"}},
		{"no value", "funcs", unix.EINVAL, []string{"funcs"}},
		{"empty first", "funcs=,sys_getpid", unix.EINVAL, []string{"name 1 of 2 is empty"}},
		{"empty last", "funcs=sys_getpid,", unix.EINVAL, []string{"name 2 of 2 is empty"}},
		{"empty between", "funcs=sys_getpid,,sys_clone", unix.EINVAL, []string{"name 2 of 3 is empty"}},
		{"given twice", "funcs=sys_getpid,sys_clone,sys_getpid", unix.EINVAL, []string{"'sys_getpid'", "twice"}},
		{"two names for one", "funcs=sys_getpid,__x64_sys_getpid", unix.EINVAL, []string{"'sys_getpid'", "'__x64_sys_getpid'", "one function"}},
		{"two names the other way", "funcs=__x64_sys_getpid,vfs_read,sys_getpid", unix.EINVAL, []string{"'sys_getpid'", "'__x64_sys_getpid'"}},
		{"too many instances", "funcs=sys_getpid maxactive=1048577", unix.EINVAL, []string{"maxactive", "1048577"}},
		{"negative instances", "funcs=sys_getpid maxactive=-1", unix.EINVAL, []string{"maxactive", "-1"}},
	} {
		err := attempt(t, c.params)
		if !errors.Is(err, c.errno) {
			t.Errorf("%s: %v, want %v", c.name, err, c.errno)
		}
		if err == nil {
			ok(t, remove(kmod.ProfilerModule))
		}
		wantOneLine(t, c.name, log.lines(t), c.named)
		wantFootprint(t, c.name, before)
	}
}

// wantOneLine fails unless the module logged one line, with all these words.
func wantOneLine(t *T, when string, lines, words []string) {
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "profiler: ") {
		t.Errorf("%s: the log says %q, want one line of the module's", when, lines)
		return
	}
	for _, word := range words {
		if !strings.Contains(lines[0], word) {
			t.Errorf("%s: the log says %q, which does not name %s", when, lines[0], word)
		}
	}
}

// badByInsmod is for the errno as a user sees it. Busybox tries each of the
// kernel's two ways to load a module, so that there are two lines.
func badByInsmod(t *T) {
	log := openLog(t)
	for params, errno := range map[string]unix.Errno{
		"funcs=sys_getpid,no_such_function": unix.ENOENT,
		"funcs=get_kprobe":                  unix.EOPNOTSUPP,
		"funcs=sys_getpid,":                 unix.EINVAL,
	} {
		out, status := sh(t, "insmod "+profilertest.ProfilerPath+" "+params)
		if status != int(errno) {
			t.Errorf("%s: status %d, want %d: %s", params, status, errno, out)
		}
		if lines := log.lines(t); len(lines) != 2 || lines[0] != lines[1] {
			t.Errorf("%s: the log says %q, want the same line twice", params, lines)
		}
	}
}

// badAddresses holds the answer to each text that is no address, or makes no
// range, against what is wrong with it. What a scan reads shows that the range
// is still what it was.
func badAddresses(t *T) {
	const words = 16
	tb := loadTestbed(t)
	p := load(t, nil)
	must(tb.Plant("leaked", 1, 4096))(t) // else there is nothing to look for
	start := region(t, tb, "data").Start
	end := start + 8*words
	log := openLog(t)
	read := func(when string, words ...string) {
		_, err := p.ScanRaw()
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("scan %s: %v, want EINVAL", when, err)
		}
		wantOneLine(t, "scan "+when, log.lines(t), words)
	}
	write := func(file, text string) error {
		f := must(os.OpenFile(filepath.Join(kmod.ProfilerDir, file), os.O_WRONLY, 0))(t)
		defer f.Close()
		_, err := f.WriteString(text)
		return err
	}
	unchanged := func(when string) {
		must(p.ScanRaw())(t)
		if got := must(p.Status())(t).ScanWords; got != words {
			t.Errorf("%s: a scan reads %d words, want %d", when, got, words)
		}
		if lines := log.lines(t); lines != nil {
			t.Errorf("%s: a good range is logged: %q", when, lines)
		}
	}
	read("without a range", "memleaks", "scan_start_addr")
	ok(t, write("scan_start_addr", fmt.Sprintf("%x", start)))
	read("without an end", "memleaks", "scan_end_addr")
	ok(t, write("scan_end_addr", fmt.Sprintf("0x%X\n", end)))
	unchanged("a range")

	for _, c := range []struct{ name, text, named string }{
		{"not hexadecimal", "ffff88800000000g", "'ffff88800000000g' is not"},
		{"decimal point", "1.5", "'1.5' is not"},
		{"only a line feed", "\n", "'' is not"},
		{"only 0x", "0x", "'0x' is not"},
		{"0x twice", "0x0xffff888000000000", "'0x0xffff888000000000' is not"},
		{"negative", "-ffff888000000000", "'-ffff888000000000' is not"},
		{"minus one", "-1", "'-1' is not"},
		{"sign", "+ffff888000000000", "'+ffff888000000000' is not"},
		{"only blanks", "  ", "'  ' is not"},
		{"blank before it", " ffff888000000000", "' ffff888000000000' is not"},
		{"blank behind it", "ffff888000000000 ", "'ffff888000000000 ' is not"},
		{"tab before it", "\tffff888000000000", `'\x5ctffff888000000000' is not`},
		{"something behind it", "ffff888000000000 1", "'ffff888000000000 1' is not"},
		{"NUL behind it", "ffff888000000000\x00x", `'ffff888000000000\x5c0x' is not`},
		{"two line feeds", "ffff888000000000\n\n", `ffff888000000000\x5cn`},
		{"17 digits", "1ffff888000000000", "'1ffff888000000000' is not"},
		{"a page of digits", strings.Repeat("f", 4096), "'ffffffffffffffffffffffffffffffffffffffff' is not"},
		{"a line of its own", "x\nBUG: so it says", `'x\x5cnBUG: so it says' is not`},
		{"zero", "0", "0x0 is not a kernel address"},
		{"user space", "00007fffffffe000", "0x7fffffffe000 is not a kernel address"},
		{"not canonical, low", "0x800000000000", "0x800000000000 is not a kernel address"},
		{"not canonical, high", "ffff7fffffffffff", "0xffff7fffffffffff is not a kernel address"},
	} {
		for _, file := range []string{"scan_start_addr", "scan_end_addr"} {
			when := fmt.Sprintf("%s in %s", c.name, file)
			if err := write(file, c.text); !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s: %v, want EINVAL", when, err)
			}
			wantOneLine(t, when, log.lines(t), []string{file, c.named})
			unchanged(when)
		}
	}
	for _, bad := range []uint64{start, start - 1, 0xffff800000000000} {
		when := fmt.Sprintf("end %x, start %x", bad, start)
		if err := write("scan_end_addr", fmt.Sprintf("%x", bad)); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v, want EINVAL", when, err)
		}
		wantOneLine(t, when, log.lines(t), []string{"scan_end_addr", fmt.Sprintf("0x%x", bad), fmt.Sprintf("0x%x", start)})
		unchanged(when)
	}
	for _, file := range []string{"scan_start_addr", "scan_end_addr"} {
		ok(t, write(file, "")) // which is no write at all
		unchanged("nothing in " + file)
	}

	// A range is moved by its start and then its end.
	ok(t, write("scan_start_addr", fmt.Sprintf("%x", end)))
	read("with its start at its old end", "memleaks", "scan_end_addr")
	ok(t, write("scan_start_addr", "ffffffffffffffff"))
	if err := write("scan_end_addr", "ffffffffffffffff"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("an end that is the last start of all: %v, want EINVAL", err)
	}
	wantOneLine(t, "the last start of all", log.lines(t), []string{"scan_end_addr", "0xffffffffffffffff is not above scan_start_addr 0xffffffffffffffff"})
	read("with the last start of all", "memleaks", "scan_end_addr")
	ok(t, p.SetRange(start, end))
	unchanged("moved back")
}

// manyNames takes as many symbols as a list from a file may have.
func manyNames(t *T) {
	const many = 200
	names := probeable(t, many-1)
	names = append(names, "sys_times") // no shell calls it
	list := strings.Join(names, ",")
	tb := loadTestbed(t)
	ok(t, attempt(t, "funcs="+list))
	t.Cleanup(func() { ok(t, remove(kmod.ProfilerModule)) })
	must(tb.Call("__x64_sys_times", 7))(t)

	// charp parameters end at 1024 characters, and files of sysfs at a page.
	param := strings.TrimSpace(readFile(t, "/sys/module/profiler/parameters/funcs"))
	if want := min(len(list), os.Getpagesize()-1); len(list) <= 1024 || param != list[:want] {
		t.Errorf("the parameter has %d characters of %d: %q", len(param), len(list), param)
	}
	text := shOK(t, "cat stats")
	stats := must(kmod.ParseStats([]byte(text)))(t)
	if len(text) <= os.Getpagesize() || len(stats) != many {
		t.Fatalf("stats is %d bytes, %d lines; want more than a page and %d", len(text), len(stats), many)
	}
	for i, s := range stats {
		if s.Symbol != names[i] {
			t.Fatalf("line %d is about %s, want %s", i+1, s.Symbol, names[i])
		}
	}
	if got := stats[many-1].Invocations; got != 7 {
		t.Errorf("sys_times: %d invocations, want 7", got)
	}
	for script, want := range map[string]string{
		"dd if=stats bs=100 2>/dev/null":         text,
		"dd if=stats bs=1 2>/dev/null":           text,
		"dd if=stats bs=100 skip=20 2>/dev/null": text[2000:],
		"tail -n 1 stats":                        text[strings.LastIndex(text[:len(text)-1], "\n")+1:],
	} {
		if got := shOK(t, script); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}

	// What is read through one open file is of one moment.
	f := must(os.Open(filepath.Join(kmod.ProfilerDir, "stats")))(t)
	defer f.Close()
	start := make([]byte, 100)
	must(f.Read(start))(t)
	must(tb.Call("__x64_sys_times", 10000))(t)
	if rest := must(io.ReadAll(f))(t); string(start)+string(rest) != text {
		t.Errorf("after 10000 calls in the middle of it: %q%q, want %q", start, rest, text)
	}
	if last := shOK(t, "tail -n 1 stats"); !strings.HasSuffix(last, ":10007\n") {
		t.Errorf("after 10007 calls: %q", last)
	}
	if got := must(kmod.ParseMissed([]byte(shOK(t, "cat missed"))))(t); len(got) != many {
		t.Errorf("missed has %d lines", len(got))
	}
}

// probeable returns functions that the kernel says can be traced, one for each
// name. Those of the processors' performance counters come early in kallsyms,
// which makes them quick to find, and are not called here.
func probeable(t *T, n int) []string {
	count := map[string]int{}
	var found []string
	for line := range strings.Lines(readFile(t, "/sys/kernel/tracing/available_filter_functions")) {
		name := strings.TrimSpace(line)
		count[name]++
		if len(found) < 2*n && (strings.Contains(name, "pmu") || strings.Contains(name, "amd_") || strings.Contains(name, "intel_")) {
			found = append(found, name)
		}
	}
	var unique []string
	for _, name := range found {
		if count[name] == 1 && len(unique) < n {
			unique = append(unique, name)
		}
	}
	if len(unique) < n {
		t.Fatalf("only %d of %d functions found", len(unique), n)
	}
	return unique
}

// loadAndUnload looks for what a life of the module leaves behind, be it ever
// so little.
func loadAndUnload(t *T) {
	before := takeFootprint(t)
	log := openLog(t)
	for i := range 12 {
		params := ""
		if i%4 == 0 {
			params = "funcs=sys_getpid,sys_clone"
		}
		ok(t, attempt(t, params))
		want := ""
		if params != "" {
			want = "sys_getpid:0:0\nsys_clone:0:0\n"
		}
		if got := readFile(t, filepath.Join(kmod.ProfilerDir, "stats")); got != want {
			t.Fatalf("life %d: stats %q, want %q", i, got, want)
		}
		if i%2 == 0 {
			ok(t, os.WriteFile(filepath.Join(kmod.ProfilerDir, "scan_start_addr"), []byte("ffffffff81000000"), 0))
			ok(t, os.WriteFile(filepath.Join(kmod.ProfilerDir, "scan_end_addr"), []byte("ffffffff81010000"), 0))
			if got := readFile(t, filepath.Join(kmod.ProfilerDir, "memleaks")); got != "" {
				t.Fatalf("life %d: memleaks %q, want nothing", i, got)
			}
		}
		ok(t, remove(kmod.ProfilerModule))
	}
	if lines := log.lines(t); lines != nil {
		t.Errorf("the log says %q", lines)
	}
	wantFootprint(t, "all these lives", before)
}
