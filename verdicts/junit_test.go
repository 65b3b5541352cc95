// SPDX-License-Identifier: MIT

package verdicts

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// element is any element of an XML text.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

// junitSchema is what the elements may hold, as the schemas that readers publish
// agree on; required attributes have a "!".
var junitSchema = map[string]struct{ attrs, children []string }{
	"testsuites": {[]string{"name", "tests!", "failures!", "errors!", "skipped"}, []string{"testsuite"}},
	"testsuite":  {[]string{"name!", "tests!", "failures!", "errors!", "skipped"}, []string{"properties", "testcase"}},
	"properties": {nil, []string{"property"}},
	"property":   {[]string{"name!", "value!"}, nil},
	"testcase":   {[]string{"name!", "classname!"}, []string{"failure", "error", "skipped"}},
	"failure":    {[]string{"message"}, nil},
	"error":      {[]string{"message"}, nil},
	"skipped":    {[]string{"message"}, nil},
}

func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// all returns the elements of a name in it.
func (e element) all(name string) []element {
	var found []element
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			found = append(found, c)
		}
		found = append(found, c.all(name)...)
	}
	return found
}

// checkSchema checks an element, and that what it counts is there.
func checkSchema(t *testing.T, e element) {
	t.Helper()
	schema, ok := junitSchema[e.XMLName.Local]
	if !ok {
		t.Fatalf("there is no element %q", e.XMLName.Local)
	}
	for _, a := range schema.attrs {
		if name, required := strings.CutSuffix(a, "!"); required && e.attr(name) == "" {
			t.Errorf("%s lacks %s", e.XMLName.Local, name)
		}
	}
	for _, a := range e.Attrs {
		if !slices.Contains(schema.attrs, a.Name.Local) && !slices.Contains(schema.attrs, a.Name.Local+"!") {
			t.Errorf("%s has %s", e.XMLName.Local, a.Name.Local)
		}
	}
	for what, of := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"} {
		if n := e.attr(what); n != "" && n != strconv.Itoa(len(e.all(of))) {
			t.Errorf("%s says %s %s, and has %d", e.XMLName.Local, n, what, len(e.all(of)))
		}
	}
	for _, c := range e.Children {
		if !slices.Contains(schema.children, c.XMLName.Local) {
			t.Errorf("%s holds %s", e.XMLName.Local, c.XMLName.Local)
		}
		checkSchema(t, c)
	}
}

func parseJUnit(t *testing.T, text []byte) element {
	t.Helper()
	var root element
	dec := xml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&root); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if _, err := dec.Token(); err != io.EOF {
		// A line feed is at the end.
		if _, err := dec.Token(); err != io.EOF {
			t.Errorf("something follows the document: %v", err)
		}
	}
	return root
}

func TestJUnitReadsBack(t *testing.T) {
	for name, suites := range map[string][]Suite{"mixed": mixed, "hostile": hostile} {
		t.Run(name, func(t *testing.T) {
			text, err := JUnit("kprof-bench run", suites)
			if err != nil {
				t.Fatal(err)
			}
			root := parseJUnit(t, text)
			if root.XMLName.Local != "testsuites" {
				t.Fatalf("the root is %s", root.XMLName.Local)
			}
			checkSchema(t, root)
			for i, s := range suites {
				cases := root.Children[i].all("testcase")
				for j, c := range s.Cases {
					got := map[Outcome]int{Failed: len(cases[j].all("failure")), Skipped: len(cases[j].all("skipped"))}
					if got[Failed] != b2i(c.Outcome == Failed) || got[Skipped] != b2i(c.Outcome == Skipped) {
						t.Errorf("suite %d, case %d is %v, want %+v", i, j, got, c)
					}
				}
				if n := len(root.Children[i].all("error")); n != b2i(s.Error != "") {
					t.Errorf("suite %d has %d errors for %q", i, n, s.Error)
				}
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestJUnitText(t *testing.T) {
	text, err := JUnit("run", mixed[:1])
	if err != nil {
		t.Fatal(err)
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="run" tests="3" failures="1" errors="0" skipped="1">
  <testsuite name="6.1" tests="3" failures="1" errors="0" skipped="1">
    <properties>
      <property name="kernel" value="6.1.0-56-amd64"></property>
    </properties>
    <testcase name="sys_getpid: invocations" classname="6.1"></testcase>
    <testcase name="sys_read: average" classname="6.1">
      <failure message="reported are 70, true are 68">reported are 70, true are 68</failure>
    </testcase>
    <testcase name="sys_clone: average" classname="6.1">
      <skipped message="calls differ">calls differ</skipped>
    </testcase>
  </testsuite>
</testsuites>
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	f := Files{filepath.Join(dir, "a.ktap"), filepath.Join(dir, "a.xml")}
	if err := f.Write("run", mixed); err != nil {
		t.Fatal(err)
	}
	for name, begins := range map[string]string{f.KTAP: "KTAP version 1\n", f.JUnit: "<?xml "} {
		text, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(string(text), begins) {
			t.Errorf("%s: %v, %.20q", name, err, text)
		}
	}
	if err := (Files{}).Write("run", mixed); err != nil {
		t.Errorf("to write nothing: %v", err)
	}
	f.JUnit = filepath.Join(dir, "nowhere", "a.xml")
	if err := f.Write("run", mixed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v where no file can be", err)
	}
}
