// SPDX-License-Identifier: MIT

package peers

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// tracingDir is where tracefs is mounted.
const tracingDir = "/sys/kernel/tracing"

// bufferKiB is how much of each processor's events the ring buffer keeps by
// default, once it is used.
const bufferKiB = "1408"

// setting is a line that is written to a file of tracefs, and the one that takes it
// back. More than one may be written to a file that is appended to.
type setting struct {
	file, text, undo string
}

// tracer is a peer that is set up by writing to files of tracefs.
type tracer struct {
	facts    Facts
	clock    string                               // of events; empty is the default
	supports func(functions []Function) error     // nil if every kernel has it
	settings func(functions []Function) []setting // in order; taken back in reverse
	read     func(functions []Function) ([]Reading, error)

	functions []Function
	done      []setting
}

func (t *tracer) Facts() Facts { return t.facts }

// Attach begins with an empty buffer of the default size.
func (t *tracer) Attach(functions []Function) error {
	if t.supports != nil {
		if err := t.supports(functions); err != nil {
			return err
		}
	}
	t.functions = functions
	clock := t.clock
	if clock == "" {
		clock = "local"
	}
	all := slices.Concat([]setting{
		{"tracing_on", "0", "1"},
		{"trace_clock", clock, "local"},
		// A buffer of one page is the smallest there is.
		{"buffer_size_kb", bufferKiB, "1"},
	}, t.settings(functions), []setting{{"tracing_on", "1", "0"}})
	for _, s := range all {
		if err := writeTracefs(s.file, s.text); err != nil {
			return errors.Join(err, t.Detach())
		}
		t.done = append(t.done, s)
	}
	return nil
}

func (t *tracer) Read() ([]Reading, error) { return t.read(t.functions) }

func (t *tracer) Detach() error {
	var err error
	for _, s := range slices.Backward(t.done) {
		err = errors.Join(err, writeTracefs(s.file, s.undo))
	}
	t.done = nil
	// Empties the buffer, with whatever text.
	return errors.Join(err, os.WriteFile(filepath.Join(tracingDir, "trace"), []byte("\n"), 0))
}

// appended are the files that have a line for each thing, and are not to lose those
// that are there already.
var appended = []string{"kprobe_events", "dynamic_events", "synthetic_events", "set_ftrace_filter", "set_graph_function", "trigger"}

func writeTracefs(file, text string) error {
	flag := os.O_WRONLY
	if slices.Contains(appended, filepath.Base(file)) && text != "" {
		flag |= os.O_APPEND
	} else {
		flag |= os.O_TRUNC
	}
	f, err := os.OpenFile(filepath.Join(tracingDir, file), flag, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %q: %w", text, err)
	}
	return nil
}

func readTracefs(file string) (string, error) {
	b, err := os.ReadFile(filepath.Join(tracingDir, file))
	return string(b), err
}

func hasTracefs(file string) bool {
	_, err := os.Stat(filepath.Join(tracingDir, file))
	return err == nil
}

// eachTraced calls fn for each line of the trace.
func eachTraced(fn func(line string) error) error {
	f, err := os.Open(filepath.Join(tracingDir, "trace"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(bufio.NewReaderSize(f, 1<<20))
	for lines.Scan() {
		if err := fn(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}
