// SPDX-License-Identifier: MIT

package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// Read reads a file; name stands for it in errors. Lines that are not of the
// format, such as PASS, are skipped, as the format wants it. It is an error if
// there is no row ([ErrEmpty]), if the environment changes between rows, or if
// anything is there that [Write] would refuse.
func Read(r io.Reader, name string) (*File, error) {
	f := &File{}
	in := benchfmt.NewReader(r, name)
	for in.Scan() {
		var err error
		switch rec := in.Result().(type) {
		case *benchfmt.SyntaxError:
			err = rec
		case *benchfmt.UnitMetadata:
			f.addUnit(rec)
		case *benchfmt.Result:
			if err = f.addRow(rec); err != nil {
				_, line := rec.Pos()
				err = fmt.Errorf("%s:%d: %w", name, line, err)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
	}
	err := in.Err()
	if err == nil {
		if err = f.check(); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return f, nil
}

// addUnit takes in one of the things said about a unit. The format reserves
// other keys for the future; they are skipped.
func (f *File) addUnit(m *benchfmt.UnitMetadata) {
	exact := m.Key == "assume" && m.Value == "exact"
	if m.Key != "better" && !exact {
		return
	}
	i := slices.IndexFunc(f.Units, func(u Unit) bool { return u.Name == m.OrigUnit })
	if i < 0 {
		i = len(f.Units)
		f.Units = append(f.Units, Unit{Name: m.OrigUnit})
	}
	if exact {
		f.Units[i].Exact = true
	} else {
		f.Units[i].Better = m.Value
	}
}

func (f *File) addRow(res *benchfmt.Result) error {
	var env []Config
	for _, c := range res.Config {
		env = append(env, Config{c.Key, string(c.Value)})
	}
	switch {
	case len(f.Rows) == 0:
		f.Env = env
	case !slices.Equal(f.Env, env):
		return errors.New("the environment differs from that of the rows above; keep one environment in a file")
	}
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
