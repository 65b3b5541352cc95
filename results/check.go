// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchunit"
)

// maxLine is what benchfmt reads: a longer line is an error there.
const maxLine = 64<<10 - 2

// processors is how the format appends GOMAXPROCS to a name. A value that
// looks like it would be taken for it.
var processors = regexp.MustCompile(`-[0-9]+$`)

// checkAll checks files that become, or were, one text. Two of one environment
// in a row would be read as one.
func checkAll(files []*File) error {
	if len(files) == 0 {
		return ErrEmpty
	}
	for i, f := range files {
		if err := f.check(); err != nil {
			return err
		}
		switch {
		case i == 0:
		case !slices.Equal(f.Units, files[0].Units):
			return fmt.Errorf("file %d of %d says something else about units than the first", i+1, len(files))
		case slices.Equal(f.Env, files[i-1].Env):
			return fmt.Errorf("files %d and %d of %d have the same environment", i, i+1, len(files))
		}
	}
	return nil
}

func (f *File) check() error {
	if len(f.Rows) == 0 {
		return ErrEmpty
	}
	if err := checkEnv(f.Env); err != nil {
		return err
	}
	if err := checkUnits(f.Units); err != nil {
		return err
	}
	for _, r := range f.Rows {
		if err := r.check(); err != nil {
			return fmt.Errorf("row %q: %w", r.FullName(), err)
		}
	}
	return nil
}

func checkEnv(env []Config) error {
	seen := map[string]bool{}
	for _, c := range env {
		first, _ := utf8.DecodeRuneInString(c.Key)
		switch {
		case seen[c.Key]:
			return fmt.Errorf("environment key %q is there twice", c.Key)
		case !utf8.ValidString(c.Key) || !unicode.IsLower(first) || strings.Contains(c.Key, ":") ||
			strings.ContainsFunc(c.Key, unicode.IsUpper) || strings.ContainsFunc(c.Key, unicode.IsSpace):
			return fmt.Errorf("environment key %q must begin with a lower case letter and hold no capitals, spaces or colons", c.Key)
		case c.Value == "" || c.Value[0] == ' ' || c.Value[0] == '\t':
			return fmt.Errorf("environment key %q: value %q is empty or begins with a space", c.Key, c.Value)
		case !utf8.ValidString(c.Value) || strings.ContainsFunc(c.Value, isControl):
			return fmt.Errorf("environment key %q: value %q is not one line of text", c.Key, c.Value)
		case len(c.Key)+len(": ")+len(c.Value) > maxLine:
			return fmt.Errorf("environment key %q: the value is too long for a line", c.Key)
		}
		seen[c.Key] = true
	}
	return nil
}

func isControl(r rune) bool { return r != '\t' && unicode.IsControl(r) }

func checkUnits(units []Unit) error {
	seen := map[string]string{}
	for _, u := range units {
		// The format knows ns and sec as one unit.
		_, base := benchunit.Tidy(1, u.Name)
		switch {
		case !isWord(u.Name, ""):
			return fmt.Errorf("unit %q must be one word", u.Name)
		case seen[base] != "":
			return fmt.Errorf("unit %q is the same as unit %q", u.Name, seen[base])
		case u.Better != "" && u.Better != "lower" && u.Better != "higher":
			return fmt.Errorf("unit %q: better is %q, must be lower, higher or empty", u.Name, u.Better)
		case u.Slack != "" && !u.Exact:
			return fmt.Errorf("unit %q: slack is that of exact values", u.Name)
		case u.Slack.Check() != nil:
			return fmt.Errorf("unit %q: %w", u.Name, u.Slack.Check())
		case u.Exact && u.Noisy:
			return fmt.Errorf("unit %q: exact values are not noisy", u.Name)
		case u.Better == "" && !u.Exact && !u.Noisy:
			return fmt.Errorf("unit %q: nothing is said about it, leave it out", u.Name)
		case len(u.Name) > maxLine/2:
			return errors.New("the name of a unit is too long for a line")
		}
		seen[base] = u.Name
	}
	return nil
}

func (r Row) check() error {
	first, _ := utf8.DecodeRuneInString(r.Name)
	switch {
	case !isWord(r.Name, "/=") || !unicode.IsUpper(first):
		return fmt.Errorf("name %q must be one word that begins with a capital, without / and =", r.Name)
	case r.Iters < 1:
		return fmt.Errorf("%d iterations: must be 1 or more", r.Iters)
	case len(r.Values) == 0:
		return errors.New("no values")
	}
	if err := r.checkParams(); err != nil {
		return err
	}
	if err := r.checkValues(); err != nil {
		return err
	}
	if n := len(r.line()); n > maxLine {
		return fmt.Errorf("%d bytes are too long for a line, which may have %d", n, maxLine)
	}
	return nil
}

func (r Row) checkParams() error {
	seen := map[string]bool{}
	for _, p := range r.Params {
		switch {
		case !isWord(p.Key, "/="):
			return fmt.Errorf("parameter %q must be one word without / and =", p.Key)
		case !isWord(p.Value, "/="):
			return fmt.Errorf("parameter %s: value %q must be one word without / and =", p.Key, p.Value)
		case seen[p.Key]:
			return fmt.Errorf("parameter %q is there twice", p.Key)
		}
		seen[p.Key] = true
	}
	if tail := processors.FindString(r.FullName()); tail != "" {
		return fmt.Errorf("the name ends in %q, which the format takes for a number of processors; put another parameter last", tail)
	}
	return nil
}

func (r Row) checkValues() error {
	seen := map[string]string{}
	for _, v := range r.Values {
		_, base := benchunit.Tidy(1, v.Unit)
		switch {
		case !isWord(v.Unit, ""):
			return fmt.Errorf("unit %q must be one word", v.Unit)
		case math.IsNaN(v.V) || math.IsInf(v.V, 0):
			return fmt.Errorf("%s is %v, which is no measurement", v.Unit, v.V)
		case seen[base] != "":
			return fmt.Errorf("unit %q is the same as unit %q", v.Unit, seen[base])
		}
		seen[base] = v.Unit
	}
	return nil
}

// isWord reports whether s is one field of a line, without the bytes in not.
func isWord(s, not string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsSpace) && !strings.ContainsAny(s, not)
}
