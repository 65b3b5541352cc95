// SPDX-License-Identifier: MIT

package kmod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeTestbed is a device that answers commands from a table.
type fakeTestbed struct {
	replies map[string]string
	errs    map[string]error
	ran     []string
	result  string
}

func (f *fakeTestbed) Write(p []byte) (int, error) {
	command := string(p)
	f.ran = append(f.ran, command)
	if err := f.errs[command]; err != nil {
		f.result = ""
		return 0, err
	}
	reply, ok := f.replies[command]
	if !ok {
		return 0, fmt.Errorf("unexpected command %q", command)
	}
	f.result = reply
	return len(p), nil
}

func (f *fakeTestbed) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(f.result).ReadAt(p, off)
}

func (f *fakeTestbed) Close() error { return nil }
func (f *fakeTestbed) Fd() uintptr  { return 3 }

func TestTestbedCommands(t *testing.T) {
	const (
		timing = "calls=10\nticks=1208\nns=1260\nloop_ticks=908\nloop_ns=960\n"
		inside = "calls=5\ninvocations=505\ninside_ticks=77\ninside_ns=99\n"
		plant  = "first=7\ncount=3\nticks=11\nns=12\n"
	)
	wantTiming := Timing{Calls: 10, Ticks: 1208, NS: 1260, LoopTicks: 908, LoopNS: 960}
	wantInside := Inside{Calls: 5, Invocations: 505, Ticks: 77, NS: 99}
	for _, test := range []struct {
		command, reply string
		run            func(*Testbed) (any, error)
		want           any
	}{
		{"work 1 10", timing, func(t *Testbed) (any, error) { return t.Work(1, 10) }, wantTiming},
		{"work_even 32 10", timing, func(t *Testbed) (any, error) { return t.WorkEven(32, 10) }, wantTiming},
		{"vpair 4096 10", timing, func(t *Testbed) (any, error) { return t.VPair(4096, 10) }, wantTiming},
		{"call __x64_sys_openat 10 0xffffffffffffff9c 0x0", timing + "ret=-14\nerrors=10\n",
			func(t *Testbed) (any, error) { return t.Call("__x64_sys_openat", 10, ^uint64(99), 0) },
			CallResult{Timing: wantTiming, Ret: -14, Errors: 10}},
		{"call __x64_sys_getpid 10", timing + "ret=86\nerrors=0\n",
			func(t *Testbed) (any, error) { return t.Call("__x64_sys_getpid", 10) },
			CallResult{Timing: wantTiming, Ret: 86}},
		{"sleep 100 5", inside, func(t *Testbed) (any, error) { return t.Sleep(100, 5) }, wantInside},
		{"recurse 100 5", inside, func(t *Testbed) (any, error) { return t.Recurse(100, 5) }, wantInside},
		{"timer 50 5", inside, func(t *Testbed) (any, error) { return t.Timer(50, 5) }, wantInside},
		{"args8 5", inside + "value=87654321\nexpect=12345678\n",
			func(t *Testbed) (any, error) { return t.Args8(5) },
			Args8Result{Inside: wantInside, Value: 87654321, Expect: 12345678}},
		{"refread", "entered=5\ncalls=4\ntotal_ns=900\nmissed=2\n",
			func(t *Testbed) (any, error) { return (&RefProbe{t}).Read() },
			RefCount{Entered: 5, Calls: 4, TotalNS: 900, Missed: 2}},
		{"refprobe off", "", func(t *Testbed) (any, error) { return nil, (&RefProbe{t}).Remove() }, nil},
		{"sleepers 8 1500 3", "", func(t *Testbed) (any, error) {
			_, err := t.Sleepers(8, 1500*time.Microsecond, 3)
			return nil, err
		}, nil},
		{"sleepers state", "threads=8\nasleep=5\nended=2\n",
			func(t *Testbed) (any, error) { return (&Sleepers{t}).State() },
			SleeperState{Threads: 8, Asleep: 5, Ended: 2}},
		{"sleepers list", "70 plain asleep\n71 deep awake\n",
			func(t *Testbed) (any, error) { return (&Sleepers{t}).List() },
			[]Sleeper{{PID: 70, Shape: "plain", Asleep: true}, {PID: 71, Shape: "deep"}}},
		{"sleepers wait", "threads=8\nok=7\nbad=1\n",
			func(t *Testbed) (any, error) { return (&Sleepers{t}).Wait() },
			SleeperResult{Threads: 8, OK: 7, Bad: 1}},
		{"dying 4", "threads=4\ndied=3\n", func(t *Testbed) (any, error) { return t.Dying(4) },
			DyingResult{Threads: 4, Died: 3}},
		{"occupy tb_work", "", func(t *Testbed) (any, error) { return nil, t.Occupy("tb_work") }, nil},
		{"occupy tb_work patch", "", func(t *Testbed) (any, error) { return nil, t.Patch("tb_work") }, nil},
		{"occupy off", "", func(t *Testbed) (any, error) { return nil, t.Vacate() }, nil},
		{"stack", "a+0x1/0x2 [m]\nb+0x3/0x4\n", func(t *Testbed) (any, error) { return t.Stack() },
			[]string{"a+0x1/0x2 [m]", "b+0x3/0x4"}},
		{"plant leaked 3 4096", plant, func(t *Testbed) (any, error) { return t.Plant("leaked", 3, 4096) },
			Planted{First: 7, Count: 3, Ticks: 11, NS: 12}},
		{"plantother vmap 3 9000", plant, func(t *Testbed) (any, error) { return t.PlantOther("vmap", 3, 9000) },
			Planted{First: 7, Count: 3, Ticks: 11, NS: 12}},
		{"free 7 3 irq", "count=3\nticks=0\nns=0\n", func(t *Testbed) (any, error) { return t.Free(7, 3, FreeIRQ) },
			Planted{First: 7, Count: 3}},
		{"arena 65536", "", func(t *Testbed) (any, error) { return nil, t.Arena(65536) }, nil},
		{"arena 65536 4096", "", func(t *Testbed) (any, error) { return nil, t.RepeatedArena(65536, 4096) }, nil},
		{"arena off", "", func(t *Testbed) (any, error) { return nil, t.ArenaOff() }, nil},
		{"hole", "pages=48\n", func(t *Testbed) (any, error) { return t.Hole() }, uint64(48)},
		{"hooks on", "", func(t *Testbed) (any, error) { return nil, t.Hooks(true) }, nil},
		{"hooks off", "", func(t *Testbed) (any, error) { return nil, t.Hooks(false) }, nil},
		{"fill arena random", "", func(t *Testbed) (any, error) { return nil, t.FillArena("random") }, nil},
		{"regions", "data ffffffffc020b000 ffffffffc0213000 0\n",
			func(t *Testbed) (any, error) { return t.Regions() },
			[]Region{{Name: "data", Start: 0xffffffffc020b000, End: 0xffffffffc0213000}}},
		{"blocks", "7 data ffffc90000065000 ffffffffc0203b70 5000 ab cd\n",
			func(t *Testbed) (any, error) { return t.Blocks() },
			[]Block{{ID: 7, Class: "data", Page: 0xffffc90000065, Site: 0xffffffffc0203b70, Size: 5000, Word: 0xab, DirectWord: 0xcd}}},
		{"churn 300 8192", "pairs=300\nirq=99\n", func(t *Testbed) (any, error) { return t.Churn(300, 8192) },
			Churned{Pairs: 300, IRQ: 99}},
		{"batch 2 4096", "ffffc90000065000\nffffc90000067000\n", func(t *Testbed) (any, error) { return t.Batch(2, 4096) },
			[]uint64{0xffffc90000065, 0xffffc90000067}},
		{"batch off", "", func(t *Testbed) (any, error) { return nil, t.BatchOff() }, nil},
		{"stray 1", "ffffc90000065000\n", func(t *Testbed) (any, error) { return t.Stray(1) },
			[]uint64{0xffffc90000065}},
		{"purge", "", func(t *Testbed) (any, error) { return nil, t.Purge() }, nil},
		{"hazard poisoned 5", "", func(t *Testbed) (any, error) { return nil, t.MakeHazard(HazardPoisoned, 5) }, nil},
		{"hazard state", "read=1\nvanished=2\n", func(t *Testbed) (any, error) { return t.HazardState() },
			HazardState{Read: true, Vanished: 2}},
		{"hazard off", "", func(t *Testbed) (any, error) { return nil, t.EndHazard() }, nil},
	} {
		t.Run(test.command, func(t *testing.T) {
			fake := &fakeTestbed{replies: map[string]string{test.command: test.reply}}
			got, err := test.run(&Testbed{file: fake})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{test.command}, fake.ran); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTestbedRefused(t *testing.T) {
	tb := &Testbed{file: &fakeTestbed{errs: map[string]error{"refprobe nope": syscall.ENOENT}}}
	p, err := tb.RefProbe("nope")
	if p != nil || !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), "refprobe nope") {
		t.Fatalf("got %v, %v", p, err)
	}
	fake := &fakeTestbed{}
	if _, err := (&Testbed{file: fake}).Call("__x64_sys_getpid 1\nrefread", 1); err == nil || fake.ran != nil {
		t.Fatalf("a line break went through: %v, %q", err, fake.ran)
	}
}

func TestParseSleepersRefuses(t *testing.T) {
	for _, text := range []string{"1 plain\n", "x plain asleep\n", "1 plain dead\n", "1 plain asleep 2\n", "\n"} {
		if got, err := parseSleepers(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParsePagesRefuses(t *testing.T) {
	for _, text := range []string{"ffffc90000065001\n", "ffffc90000065000", "c90000065000\n", "ffffc9000006g000\n", "\n"} {
		if got, err := parsePages(text); err == nil {
			t.Errorf("%q: %#x", text, got)
		}
	}
}

func TestTestbedResultSuperseded(t *testing.T) {
	tb := &Testbed{file: &fakeTestbed{replies: map[string]string{"dump data": "12345678", "arena off": ""}}}
	dump, err := tb.Dump("data")
	if err != nil {
		t.Fatal(err)
	}
	half := make([]byte, 4)
	if _, err := io.ReadFull(dump, half); err != nil || string(half) != "1234" {
		t.Fatalf("first half %q, %v", half, err)
	}
	if err := tb.ArenaOff(); err != nil {
		t.Fatal(err)
	}
	if n, err := dump.Read(half); n != 0 || !errors.Is(err, ErrSuperseded) {
		t.Fatalf("read %d bytes of a result that is gone, %v", n, err)
	}
}

func TestTicksPerCall(t *testing.T) {
	for _, test := range []struct {
		name string
		t    Timing
		want float64
	}{
		{"longer than nothing", Timing{Calls: 100, Ticks: 1208, LoopTicks: 908}, 3},
		// A timer tick in the loop makes it so; it must not wrap around.
		{"shorter than nothing", Timing{Calls: 2, Ticks: 10, LoopTicks: 14}, -2},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.t.TicksPerCall(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestParseTestbedValues(t *testing.T) {
	keys := []string{"calls", "ret"}
	for _, test := range []struct {
		name, text string
		want       map[string]int64
	}{
		{"in order", "calls=3\nret=-2\n", map[string]int64{"calls": 3, "ret": -2}},
		{"in another order", "ret=0\ncalls=9223372036854775807\n", map[string]int64{"calls": 1<<63 - 1, "ret": 0}},
		{"one missing", "calls=3\n", nil},
		{"all missing", "", nil},
		{"one twice", "calls=3\ncalls=3\nret=1\n", nil},
		{"one unknown", "calls=3\nret=1\nns=1\n", nil},
		{"no value", "calls=\nret=1\n", nil},
		{"no equals sign", "calls\nret=1\n", nil},
		{"no number", "calls=0x10\nret=1\n", nil},
		{"too large", "calls=9223372036854775808\nret=1\n", nil},
		{"empty line", "calls=3\n\nret=1\n", nil},
		{"blanks", "calls= 3\nret=1\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseTestbedValues(test.text, keys)
			if (err != nil) != (test.want == nil) {
				t.Fatalf("got %v, %v", got, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseBlock(t *testing.T) {
	for _, test := range []struct {
		name, line string
		want       Block
		fails      bool
	}{
		{"leaked", "0 leaked ffffc9000004d000 ffffffffc0203b90 5000 0 0",
			Block{0, "leaked", 0xffffc9000004d, 0xffffffffc0203b90, 5000, 0, 0}, false},
		{"kept", "0 data ffffc9000004d000 ffffffffc0203b90 5000 1ffffffff8041600 1ffff11020009e01",
			Block{0, "data", 0xffffc9000004d, 0xffffffffc0203b90, 5000, 0x1ffffffff8041600, 0x1ffff11020009e01}, false},
		{"from another allocator", "99999 vmalloc_user ffffffffffff1000 ffffffffc02039b0 1 0 0",
			Block{99999, "vmalloc_user", 0xffffffffffff1, 0xffffffffc02039b0, 1, 0, 0}, false},
		{"unknown class", "0 lost ffffc9000004d000 ffffffffc0203b90 5000 0 0", Block{}, true},
		{"start inside a page", "0 leaked ffffc9000004d040 ffffffffc0203b90 5000 0 0", Block{}, true},
		{"start too short", "0 leaked 4d000 ffffffffc0203b90 5000 0 0", Block{}, true},
		{"start too long", "0 leaked 0ffffc9000004d000 ffffffffc0203b90 5000 0 0", Block{}, true},
		{"start with a prefix", "0 leaked 0xfffc9000004d000 ffffffffc0203b90 5000 0 0", Block{}, true},
		{"field missing", "0 leaked ffffc9000004d000 5000 0 0", Block{}, true},
		{"field too many", "0 leaked ffffc9000004d000 ffffffffc0203b90 5000 0 0 1", Block{}, true},
		{"two blanks", "0  leaked ffffc9000004d000 ffffffffc0203b90 5000 0 0", Block{}, true},
		{"negative size", "0 leaked ffffc9000004d000 ffffffffc0203b90 -1 0 0", Block{}, true},
		{"site no number", "0 leaked ffffc9000004d000 tb_site 5000 0 0", Block{}, true},
		{"word with a sign", "0 leaked ffffc9000004d000 ffffffffc0203b90 5000 -1 0", Block{}, true},
		{"empty", "", Block{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseBlock([]byte(test.line))
			if (err != nil) != test.fails {
				t.Fatalf("got %+v, %v", got, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEachBlock(t *testing.T) {
	const two = "1 leaked ffffc9000004d000 ffffffffc0203b90 1 0 0\n2 data ffffc9000004f000 ffffffffc0203b70 1 8 9\n"
	stop := errors.New("enough")
	var ids []uint64
	err := eachBlock(strings.NewReader(two), func(b Block) error {
		ids = append(ids, b.ID)
		return stop
	})
	if !errors.Is(err, stop) || len(ids) != 1 {
		t.Errorf("stopped after %v with %v", ids, err)
	}
	if err := eachBlock(strings.NewReader(two+"junk\n"), func(Block) error { return nil }); err == nil {
		t.Error("junk behind the blocks was accepted")
	}
}

func TestParseRegions(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []Region
	}{
		{"two", "data 1000 2000 0\nbss 3000 3008 9000\n", []Region{{"data", 0x1000, 0x2000, 0}, {"bss", 0x3000, 0x3008, 0x9000}}},
		{"empty region", "data 1000 1000 0\n", nil},
		{"end before start", "data 2000 1000 0\n", nil},
		{"not whole words", "data 1000 1001 0\n", nil},
		{"field missing", "data 1000 2000\n", nil},
		{"direct map inside a word", "data 1000 2000 9001\n", nil},
		{"no name", " 1000 2000 0\n", nil},
		{"no number", "data x 2000 0\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseRegions(test.text)
			if (err != nil) != (test.want == nil) {
				t.Fatalf("got %v, %v", got, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRegionHas(t *testing.T) {
	const start, direct = 0xffffffff82000000, 0xffff888002000000
	r := Region{Name: "kernel-bss", Start: start, End: start + 0x1000, Direct: direct}
	elsewhere := Region{Name: "data", Start: start, End: start + 0x1000}
	for _, test := range []struct {
		name   string
		region Region
		block  Block
		want   bool
	}{
		{"first word", r, Block{Word: start / 8, DirectWord: 1}, true},
		{"last word", r, Block{Word: (start + 0xff8) / 8, DirectWord: 1}, true},
		{"the word behind", r, Block{Word: (start + 0x1000) / 8, DirectWord: 1}, false},
		{"the word before", r, Block{Word: (start - 8) / 8, DirectWord: 1}, false},
		{"by its address in the direct map", r, Block{Word: 1, DirectWord: (direct + 0x800) / 8}, true},
		{"behind it there", r, Block{Word: 1, DirectWord: (direct + 0x1000) / 8}, false},
		{"not in the direct map", elsewhere, Block{Word: 1, DirectWord: 0}, false},
		{"kept nowhere", Region{Start: 0, End: 8}, Block{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.region.Has(test.block); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestParseFrames(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []uint64
	}{
		{"two", "ffff888001000000\nffff888000fff000\n", []uint64{0xffff888001000000, 0xffff888000fff000}},
		{"no page", "ffff888001000008\n", nil},
		{"no number", "ffff88800100000g\n", nil},
		{"empty line", "\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseFrames(test.text)
			if (err != nil) != (test.want == nil) || !slices.Equal(got, test.want) {
				t.Fatalf("got %#x, %v, want %#x", got, err, test.want)
			}
		})
	}
}

func TestFindStarts(t *testing.T) {
	type hit struct{ offset, page uint64 }
	start := []byte{0x00, 0xd0, 0x04, 0x00, 0x00, 0xc9, 0xff, 0xff} // ffffc9000004d000
	zero := make([]byte, 8)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	interior := join([]byte{0x40}, start[1:])
	tagged := join([]byte{0x01}, start[1:])
	want := hit{8, 0xffffc9000004d}
	for _, test := range []struct {
		name string
		dump []byte
		want []hit
	}{
		{"none", nil, nil},
		{"the start", join(zero, start, zero), []hit{want}},
		{"twice", join(start, zero, start), []hit{{0, want.page}, {16, want.page}}},
		{"into the block", join(zero, interior), nil},
		{"tagged", join(zero, tagged), nil},
		{"at an odd address", join(zero[:3], start, zero[:5]), nil},
		{"of a block that is not wanted", join(zero, []byte{0x00, 0xe0, 0x04, 0x00, 0x00, 0xc9, 0xff, 0xff}), nil},
		{"behind the first buffer", join(make([]byte, 64<<10), zero, start), []hit{{64<<10 + 8, want.page}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []hit
			err := FindStarts(bytes.NewReader(test.dump),
				func(page uint64) bool { return page == want.page },
				func(offset, page uint64) { got = append(got, hit{offset, page}) })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(hit{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if err := FindStarts(bytes.NewReader(start[:7]), func(uint64) bool { return true }, func(uint64, uint64) {}); err == nil {
		t.Error("a dump of seven bytes was accepted")
	}
}

func FuzzTestbedParsers(f *testing.F) {
	f.Add("calls=3\nret=-2\n")
	f.Add("0 leaked ffffc9000004d000 ffffffffc0203b90 5000\n")
	f.Add("data ffffffffc020b000 ffffffffc0213000\n")
	f.Add("ffff888001000000\n")
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := parseTestbedValues(text, []string{"calls", "ret"}); err == nil && len(v) != 2 {
			t.Errorf("%q: %v", text, v)
		}
		if b, err := parseBlock([]byte(text)); err == nil && b.Page >= 1<<52 {
			t.Errorf("%q: page %#x", text, b.Page)
		}
		if frames, err := parseFrames(text); err == nil && len(frames) != len(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })) {
			t.Errorf("%q: %#x", text, frames)
		}
		regions, err := parseRegions(text)
		for _, r := range regions {
			if err == nil && r.Start >= r.End {
				t.Errorf("%q: %+v", text, r)
			}
		}
	})
}
