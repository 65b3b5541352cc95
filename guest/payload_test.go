// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"
)

func pack(t *testing.T, cfg Config) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writePayload(&b, cfg); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hostFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPayload(t *testing.T) {
	payload := pack(t, Config{
		Init: hostFile(t, "the init"),
		Job:  []byte("the job"),
		Files: []File{
			{Path: "/lib/a/b.ko", Source: hostFile(t, "a module")},
			{Path: "lib/a/run", Mode: 0o755, Data: []byte("run")},
			{Path: "bin/empty"},
		},
	})
	if !bytes.HasPrefix(payload, []byte("the init")) {
		t.Error("it does not begin with the init")
	}
	files, err := payloadFiles(bytes.NewReader(payload), int64(len(payload)))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"job": "-600 the job", "bin/empty": "-644 ",
		"lib": "d755 ", "lib/a": "d755 ", "lib/a/b.ko": "-644 a module", "lib/a/run": "-755 run",
	}
	if diff := cmp.Diff(want, contents(t, files)); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

func TestDamagedPayload(t *testing.T) {
	payload := pack(t, Config{Init: hostFile(t, "the init")})
	for name, b := range map[string][]byte{
		"cut off": payload[:len(payload)-1], "too short": payload[len(payload)-3:], "without files": payload[len(payload)-endSize:],
	} {
		if _, err := payloadFiles(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("a payload that is %s is taken for a whole one", name)
		}
	}
}

func TestInitramfs(t *testing.T) {
	var b bytes.Buffer
	if err := writeInitramfs(&b); err != nil {
		t.Fatal(err)
	}
	program, err := agent()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"dev/console": "c600 ", "init": "-755 " + string(program)}
	for _, d := range guestDirs {
		want[d] = "d755 "
	}
	if diff := cmp.Diff(want, contents(t, bytes.NewReader(b.Bytes()))); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// contents are the kinds, modes and contents of an archive's files.
func contents(t *testing.T, archive io.ReaderAt) map[string]string {
	t.Helper()
	records, err := cpio.ReadAllRecords(cpio.EOFReader{RecordReader: cpio.Newc.Reader(archive)})
	if err != nil {
		t.Fatal(err)
	}
	got, inodes := map[string]string{}, map[uint64]string{}
	for _, r := range records {
		content, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
		if err != nil {
			t.Fatal(err)
		}
		kind := map[uint64]string{cpio.S_IFREG: "-", cpio.S_IFDIR: "d", cpio.S_IFCHR: "c"}[r.Mode&cpio.S_IFMT]
		got[r.Name] = kind + octal(r.Mode&0o777) + " " + string(content)
		if other, ok := inodes[r.Ino]; ok {
			t.Errorf("%s and %s are the same inode to the kernel", r.Name, other)
		}
		inodes[r.Ino] = r.Name
	}
	return got
}

func octal(n uint64) string {
	return string([]byte{'0' + byte(n>>6), '0' + byte(n>>3&7), '0' + byte(n&7)})
}

func TestPayloadIsReproducible(t *testing.T) {
	cfg := func() Config {
		return Config{Init: hostFile(t, "init"), Files: []File{{Path: "x/y", Source: hostFile(t, "y")}}}
	}
	first, second := cfg(), cfg()
	long := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(second.Init, long, long); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(second.Files[0].Source, 0o644); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pack(t, first), pack(t, second)) {
		t.Error("the same contents from other files give another archive")
	}
	second.Job = []byte("other")
	if bytes.Equal(pack(t, first), pack(t, second)) {
		t.Error("another job gives the same payload")
	}
}

func TestPayloadRefuses(t *testing.T) {
	tests := map[string]struct {
		files []File
		want  string
	}{
		"file twice":           {[]File{{Path: "a"}, {Path: "/a"}}, "given twice"},
		"the job again":        {[]File{{Path: "/job"}}, "given twice"},
		"the agent":            {[]File{{Path: "/init"}}, "given twice"},
		"the init":             {[]File{{Path: InitPath}}, "given twice"},
		"file for a directory": {[]File{{Path: "/tmp"}}, "given twice"},
		"directory for a file": {[]File{{Path: "a"}, {Path: "a/b"}}, "both a file and a directory"},
		"no name":              {[]File{{Path: "/"}}, "no path for a file"},
		"climbing out":         {[]File{{Path: "a/../../b"}}, "climbs out"},
		"end of the archive":   {[]File{{Path: "TRAILER!!!"}}, "no path for a file"},
		"source is missing":    {[]File{{Path: "a", Source: "/nowhere/at/all"}}, "no such file"},
		"source is a device":   {[]File{{Path: "a", Source: "/dev/null"}}, "not a regular file"},
		"data and source":      {[]File{{Path: "a", Data: []byte{1}, Source: "/etc/hostname"}}, "both content and the source"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := writePayload(io.Discard, Config{Init: hostFile(t, "init"), Files: test.files})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
