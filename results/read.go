// SPDX-License-Identifier: MIT

package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"golang.org/x/perf/benchfmt"
)

// ReadFile reads the file at path.
func ReadFile(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	defer r.Close()
	return Read(r, path)
}

// ReadAllFile reads the files at path, as [ReadAll] does.
func ReadAllFile(path string) ([]*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	defer r.Close()
	return ReadAll(r, path)
}

// Read reads a file; name stands for it in errors. Lines that are not of the
// format, such as PASS, are skipped, as the format wants it. It is an error if
// there is no row ([ErrEmpty]), if the environment changes between rows, or if
// anything is there that [Write] would refuse.
func Read(r io.Reader, name string) (*File, error) {
	files, err := read(r, name, 1)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return files[0], nil
}

// ReadAll is [Read] for what [WriteAll] writes: each time that the environment
// changes between rows another file begins.
func ReadAll(r io.Reader, name string) ([]*File, error) {
	files, err := read(r, name, math.MaxInt)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return files, nil
}

// read reads as many files as there may be at the most.
func read(r io.Reader, name string, most int) ([]*File, error) {
	all := &reading{most: most}
	in := benchfmt.NewReader(r, name)
	for in.Scan() {
		switch rec := in.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, rec
		case *benchfmt.UnitMetadata:
			all.addUnit(rec)
		case *benchfmt.Result:
			if err := all.addRow(rec); err != nil {
				_, line := rec.Pos()
				return nil, fmt.Errorf("%s:%d: %w", name, line, err)
			}
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	for _, f := range all.files {
		f.Units = slices.Clone(all.units)
	}
	if err := checkAll(all.files); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all.files, nil
}

// reading is what has been read so far. What is said about units holds for all
// files.
type reading struct {
	most  int
	units []Unit
	files []*File
}

// addUnit takes in one of the things said about a unit. The format reserves
// other keys for the future; they are skipped.
func (r *reading) addUnit(m *benchfmt.UnitMetadata) {
	exact := m.Key == "assume" && m.Value == "exact"
	noisy := m.Key == "assume" && m.Value == "nothing"
	if m.Key != "better" && m.Key != "slack" && !exact && !noisy {
		return
	}
	i := slices.IndexFunc(r.units, func(u Unit) bool { return u.Name == m.OrigUnit })
	if i < 0 {
		i = len(r.units)
		r.units = append(r.units, Unit{Name: m.OrigUnit})
	}
	switch {
	case exact:
		r.units[i].Exact = true
	case noisy:
		r.units[i].Noisy = true
	case m.Key == "slack":
		r.units[i].Slack = Slack(m.Value)
	default:
		r.units[i].Better = m.Value
	}
}

func (r *reading) addRow(res *benchfmt.Result) error {
	var env []Config
	for _, c := range res.Config {
		env = append(env, Config{c.Key, string(c.Value)})
	}
	if n := len(r.files); n == 0 || !slices.Equal(r.files[n-1].Env, env) {
		if n == r.most {
			return errors.New("the environment differs from that of the rows above; keep one environment in a file")
		}
		r.files = append(r.files, &File{Env: env})
	}
	f := r.files[len(r.files)-1]
	row := Row{Iters: res.Iters}
	base, parts := res.Name.Parts()
	row.Name = string(base)
	for _, part := range parts {
		key, value, ok := bytes.Cut(part[1:], []byte("="))
		if part[0] != '/' || !ok {
			return fmt.Errorf("%q in the name is not /key=value", part)
		}
		row.Params = append(row.Params, Param{string(key), string(value)})
	}
	for _, v := range res.Values {
		if v.OrigUnit != "" {
			v.Value, v.Unit = v.OrigValue, v.OrigUnit
		}
		row.Values = append(row.Values, Value{v.Value, v.Unit})
	}
	f.Rows = append(f.Rows, row)
	return row.check()
}
