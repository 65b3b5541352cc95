// SPDX-License-Identifier: MIT

package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// specimen has everything that a report can say.
func specimen(t *testing.T) *Report {
	t.Helper()
	accepted, err := ReadAccept(strings.NewReader(`Probe/func=sys_read/* probed* until 2027-01-31: a counter more
LeakScan/* * until 2026-11-25: the loop | is <longer>
Nothing/* * until 2027-01-31: gone *long* ago
`), "known.txt")
	if err != nil {
		t.Fatal(err)
	}
	o := usual()
	o.Accept = accepted
	old, err := ReadFile(filepath.Join("testdata", "old.txt"))
	if err != nil {
		t.Fatal(err)
	}
	next, err := ReadFile(filepath.Join("testdata", "new.txt"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compare(old, next, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGolden(t *testing.T) {
	for _, format := range Formats {
		for _, changed := range []bool{false, true} {
			name := "report." + format
			if changed {
				name = "changed." + format
			}
			if changed && (format == "json" || format == "csv") {
				continue // have all, always
			}
			t.Run(name, func(t *testing.T) {
				var got bytes.Buffer
				if err := specimen(t).Write(&got, format, changed); err != nil {
					t.Fatal(err)
				}
				want, err := os.ReadFile(filepath.Join("testdata", name))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// What programs read can be read, and says the same.
func TestMachineFormats(t *testing.T) {
	r := specimen(t)
	var b bytes.Buffer
	if err := r.Write(&b, "json", false); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Verdict string
		Report
	}
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, &back.Report); diff != "" || back.Verdict != r.LastLine() {
		t.Errorf("%s (-written +read):\n%s", back.Verdict, diff)
	}
	b.Reset()
	if err := r.Write(&b, "csv", false); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(r.Comparisons) + len(r.Apart) + len(r.OnlyOld) + len(r.OnlyNew); len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteReportsAWriterThatFails(t *testing.T) {
	for _, format := range Formats {
		if specimen(t).Write(full{}, format, false) == nil {
			t.Errorf("%s: no error", format)
		}
	}
}
