// SPDX-License-Identifier: MIT

package kmod

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TestbedArgs says how many words of arguments the testbed's functions take
// that can be probed.
var TestbedArgs = map[string]int{
	"tb_empty": 1, "tb_work": 1, "tb_work_even": 1, "tb_vpair": 1,
	"tb_empty_syscall": 1,
	"tb_sleep":         2, "tb_recurse": 2, "tb_timer_fn": 1, "tb_args8": 8,
	"tb_nap": 1, "tb_sleeper": 2, "tb_sleeper_deep": 3, "tb_sleeper_jump": 2,
	"tb_sleeper_landing": 2, "tb_sleeper_args8": 8,
	"tb_die": 2, "tb_stack_outer": 2, "tb_stack_inner": 2,
}

// SleeperCalls returns how often n sleepers call each function in one turn.
// Their shapes take turns: plain, deep, jump, args8.
func SleeperCalls(n uint64) map[string]uint64 {
	plain, deep, jump, args8 := (n+3)/4, (n+2)/4, (n+1)/4, n/4
	return map[string]uint64{
		"tb_sleeper": plain, "tb_sleeper_deep": 7 * deep, "tb_sleeper_jump": jump,
		"tb_sleeper_landing": jump, "tb_sleeper_args8": args8, "tb_nap": n,
	}
}

// Sleepers are threads of the kernel that sleep inside of the testbed's
// functions. They belong to a session, which cannot do anything else while it
// waits for them. When it is closed they are woken and waited for.
type Sleepers struct {
	t *Testbed
}

// SleeperState is what sleepers are doing.
type SleeperState struct {
	Threads uint64
	// Asleep counts those that sleep and will return through all functions
	// on the way.
	Asleep uint64
	// Ended counts those that have slept all their turns.
	Ended uint64
}

// SleeperResult is how sleepers have come out. A thread is bad that found a
// result that was wrong, or a register changed that was its own.
type SleeperResult struct {
	Threads, OK, Bad uint64
}

// Sleeper is one thread.
type Sleeper struct {
	PID    int
	Shape  string
	Asleep bool
}

// Sleepers starts n threads that each sleep that long, turns times. A thread
// takes about 30 KiB of memory.
func (t *Testbed) Sleepers(n uint64, each time.Duration, turns uint64) (*Sleepers, error) {
	if _, err := t.text("sleepers %d %d %d", n, each.Microseconds(), turns); err != nil {
		return nil, err
	}
	return &Sleepers{t}, nil
}

// State tells how many sleep now.
func (s *Sleepers) State() (SleeperState, error) {
	v, err := s.t.values([]string{"threads", "asleep", "ended"}, "sleepers state")
	return SleeperState{
		Threads: uint64(v["threads"]), Asleep: uint64(v["asleep"]), Ended: uint64(v["ended"]),
	}, err
}

// List returns all of them, by their numbers.
func (s *Sleepers) List() ([]Sleeper, error) {
	text, err := s.t.text("sleepers list")
	if err != nil {
		return nil, err
	}
	return parseSleepers(text)
}

// Wait waits until all have ended, and forgets them.
func (s *Sleepers) Wait() (SleeperResult, error) {
	v, err := s.t.values([]string{"threads", "ok", "bad"}, "sleepers wait")
	return SleeperResult{Threads: uint64(v["threads"]), OK: uint64(v["ok"]), Bad: uint64(v["bad"])}, err
}

func parseSleepers(text string) ([]Sleeper, error) {
	var all []Sleeper
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(f) != 3 || f[2] != "asleep" && f[2] != "awake" {
			return nil, fmt.Errorf(`sleeper %q: want "pid shape asleep|awake"`, line)
		}
		pid, err := strconv.Atoi(f[0])
		if err != nil {
			return nil, fmt.Errorf("sleeper %q: %w", line, err)
		}
		all = append(all, Sleeper{PID: pid, Shape: f[1], Asleep: f[2] == "asleep"})
	}
	return all, nil
}

// DyingResult is what became of threads that were to end inside of tb_die.
type DyingResult struct {
	Threads, Died uint64
}

// Dying has n threads call tb_die, which ends them.
func (t *Testbed) Dying(n uint64) (DyingResult, error) {
	v, err := t.values([]string{"threads", "died"}, "dying %d", n)
	return DyingResult{Threads: uint64(v["threads"]), Died: uint64(v["died"])}, err
}

// Occupy makes the session a direct user of ftrace on a function, in place of
// the one it had, until Vacate or Close. The error wraps EBUSY if there is
// another one.
func (t *Testbed) Occupy(symbol string) error {
	_, err := t.text("occupy %s", symbol)
	return err
}

// Patch takes a function as a live patch does, until Vacate or Close. A function
// that has a direct user is refused with EBUSY.
func (t *Testbed) Patch(symbol string) error {
	_, err := t.text("occupy %s patch", symbol)
	return err
}

// Vacate lets go of the function that the session occupies.
func (t *Testbed) Vacate() error { return t.Occupy("off") }

// Stack returns the stack trace of a call of tb_stack_outer, which calls
// tb_stack_inner, innermost first, each as "function+offset/size [module]".
func (t *Testbed) Stack() ([]string, error) {
	text, err := t.text("stack")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n"), err
}
