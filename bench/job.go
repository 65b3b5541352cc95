// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"kprof-bench/guest"
	"kprof-bench/kernels"
	"kprof-bench/results"
)

// Job is something else that a guest can do, by the name that the host asks for.
type Job struct {
	Name string
	// Do is told what to do as JSON. What it returns is sent to the host as JSON
	// again. An error that wraps [guest.ErrWrongNumbers] says that it was done, and
	// what was found is wrong.
	Do func(ctx context.Context, text []byte, progress func(string)) (any, error)
}

const answerKind = "answer"

func otherJob(ctx context.Context, j job, jobs []Job, ch *guest.Channel) error {
	for _, known := range jobs {
		if known.Name != j.Name {
			continue
		}
		answer, err := known.Do(ctx, j.Text, func(what string) { _ = ch.Send(progressKind, what) })
		if answer != nil {
			if err := ch.Send(answerKind, answer); err != nil {
				return err
			}
		}
		return err
	}
	return fmt.Errorf("this program knows no job %q", j.Name)
}

// Place is where a job is to be done.
type Place struct {
	Clock Clock
	// Files are put into the guest, besides both modules.
	Files []guest.File
	// MemoryMiB is the least that the job needs; 0 is the default.
	MemoryMiB int
	// BootLimit is how long the guest may take until the job starts; 0 is the default.
	BootLimit time.Duration
}

// Prepared is a kernel and the modules for it, and how results describe them.
type Prepared struct {
	host    Host
	Kernel  *kernels.Kernel
	modules *Modules
	// Env is what a guest cannot know of itself.
	Env []results.Config
}

// PrepareJobs is [Host.Prepare] for jobs.
func (h Host) PrepareJobs(ctx context.Context) (*Prepared, error) {
	k, m, err := h.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	env, err := h.env(ctx, k, m)
	return &Prepared{h, k, m, env}, err
}

// JobInGuest boots a kernel in QEMU, has it do the job of that name that was given
// to [GuestMain], and stores its answer. It is not changed when the guest did not
// get that far.
func (p *Prepared) JobInGuest(ctx context.Context, at Place, name string, what, answer any) (*guest.Report, error) {
	text, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	cfg := p.host.config(p.Kernel, p.modules)
	cfg.Clock, cfg.Retries = guest.Clock(at.Clock), retries
	cfg.Files = append(cfg.Files, at.Files...)
	cfg.MemoryMiB, cfg.BootLimit = max(cfg.MemoryMiB, at.MemoryMiB), at.BootLimit
	out, err := p.host.boot(ctx, cfg, job{Name: name, Text: text}, func(r guest.Record) {
		if r.Kind == answerKind {
			_ = r.Decode(answer)
		}
	})
	if err != nil {
		return nil, err
	}
	return out.Report, nil
}
