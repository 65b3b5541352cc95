// SPDX-License-Identifier: MIT

package bench

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kprof-bench/guest"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
	"kprof-bench/results"
)

// Host says how guests are made, and where what they need is kept.
type Host struct {
	// CacheDir keeps kernels and modules.
	CacheDir string
	// Series is the kernel that guests run, one of those that package kernels
	// knows; empty is the default.
	Series string
	// Image and Headers are those of another kernel to run instead, as
	// kernels.Own wants them.
	Image, Headers string
	// Modules is a directory with both modules, built already for the kernel.
	Modules string
	// Init is this program: a static executable whose main function calls
	// [GuestMain] when [guest.InGuest] says so.
	Init string
	// Profiler and Testbed are the modules' sources, in place of those that
	// this program was built with.
	Profiler, Testbed fs.FS
	// MemoryMiB and Seed are the guest's; 0 is the default.
	MemoryMiB int
	Seed      uint64
	// Cold has guests boot that could start from a snapshot.
	Cold bool
	// CPU is QEMU's name of the processor's model, and Cmdline is added to the
	// kernel command line; empty is the default.
	CPU     string
	Cmdline []string
	// SilenceLimit is how long a guest may say nothing; 0 is the default.
	SilenceLimit time.Duration
	// Progress is told in a few words what is being done.
	Progress func(string)
	// Console gets what the guest's kernel prints.
	Console io.Writer
}

// Modules are the two modules, built for one kernel.
type Modules struct {
	Profiler, Testbed *kmod.Module
}

// env describes them in a results file.
func (m Modules) env() []results.Config {
	var env []results.Config
	if cc := m.Profiler.Compiler; cc != "" {
		env = append(env, results.Config{Key: "compiler", Value: cc})
	}
	return append(env,
		results.Config{Key: "module", Value: m.Profiler.Revision},
		results.Config{Key: "testbed", Value: m.Testbed.Revision})
}

// Outcome is how a guest ended and what came out of it.
type Outcome struct {
	*guest.Report
	// Result is nil when the guest did not get that far.
	Result *Result
	// Notice is what a user must know about how it was run, if anything.
	Notice string
}

// Places in a guest.
const (
	GuestProfiler = "/modules/profiler.ko"
	GuestTestbed  = "/modules/kprof_testbed.ko"
	guestSelf     = "/bin/kprof-bench" // when commands are run
)

// Kinds of the records that a guest sends.
const (
	progressKind = "progress"
	resultKind   = "result"
	outputKind   = "output"
	exitKind     = "exit"
)

// job is what a guest is to do: experiments, a command, or a [Job].
type job struct {
	Run  *Options        `json:"run,omitempty"`
	Exec []string        `json:"exec,omitempty"`
	Name string          `json:"name,omitempty"`
	Text json.RawMessage `json:"text,omitempty"`
}

// RunInGuest boots a kernel in QEMU and does the experiments there. A check
// that failed makes the ending [guest.WrongNumbers]. The error is for what kept
// the guest from being booted.
func (h Host) RunInGuest(ctx context.Context, o Options) (*Outcome, error) {
	if _, err := o.targets(); err != nil {
		return nil, err
	}
	k, modules, err := h.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	cfg := h.config(k, modules)
	cfg.Retries = retries
	return h.runIn(ctx, cfg, o, k, modules)
}

// runIn is RunInGuest in a guest with that kernel and these modules.
func (h Host) runIn(ctx context.Context, cfg guest.Config, o Options, k *kernels.Kernel, modules *Modules) (*Outcome, error) {
	o.Profiler, o.Testbed = GuestProfiler, GuestTestbed
	notice := ""
	if o.Clock == KVM {
		h.Progress("try KVM")
		ok, why, err := guest.ProveKVM(ctx, cfg, h.CacheDir)
		if err != nil {
			return nil, err
		}
		if !ok {
			o.Clock, notice = TCG, "clock tcg is used instead of kvm: "+why
		}
	}
	cfg.Clock = guest.Clock(o.Clock)
	if cfg.MemoryMiB == 0 && o.Does(Latency) {
		cfg.MemoryMiB = latencyMemoryMiB
	}
	env, err := h.env(ctx, k, modules)
	if err != nil {
		return nil, err
	}
	o.Env = append(o.Env, env...)
	if o.Does(Command) {
		if err := h.addBusybox(ctx, &cfg); err != nil {
			return nil, err
		}
	}
	out, err := h.boot(ctx, cfg, job{Run: &o}, nil)
	if err != nil {
		return nil, err
	}
	if n := len(out.Failed); n > 0 {
		notice = strings.TrimSpace(fmt.Sprintf("%s\nthe guest was started %d times more: %s", notice, n, out.Failed[0]))
	}
	out.Notice = notice
	return out, nil
}

// env describes a guest, as far as it cannot know itself.
func (h Host) env(ctx context.Context, k *kernels.Kernel, m *Modules) ([]results.Config, error) {
	env := []results.Config{{Key: "qemu", Value: guest.QEMUVersion(ctx, qemuCommand)}}
	if h.Seed != 0 {
		env = append(env, results.Config{Key: "seed", Value: strconv.FormatUint(h.Seed, 10)})
	}
	if len(h.Cmdline) > 0 {
		env = append(env, results.Config{Key: "cmdline", Value: strings.Join(h.Cmdline, " ")})
	}
	more, err := kernelEnv(k)
	if err != nil {
		return nil, err
	}
	suite, err := suiteOf(h.Init)
	return slices.Concat(env, more, m.env(), []results.Config{{Key: "suite", Value: suite}}), err
}

// kernelEnv describes a kernel beyond its release, as far as that is known.
func kernelEnv(k *kernels.Kernel) ([]results.Config, error) {
	var env []results.Config
	if k.Identity != "" {
		env = append(env, results.Config{Key: "image", Value: "file-" + k.Identity})
	}
	if k.Config == "" {
		return env, nil
	}
	f, err := k.Features()
	return append(env, results.Config{Key: "features", Value: cmp.Or(strings.Join(f.Words(), " "), "none")}), err
}

// suiteOf tells builds of the suite apart, by the program that is a guest's init.
func suiteOf(init string) (string, error) {
	f, err := os.Open(init)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%.6x", sum.Sum(nil)), nil
}

// retries are for an emulator that fails: see [guest.Config].
const retries = 2

// qemuCommand is the emulator.
const qemuCommand = "qemu-system-x86_64"

// ExecInGuest boots a kernel in QEMU and runs a command in it, with both
// modules in /modules, this program and busybox in /bin. What the command
// prints goes to output; its exit status is returned.
func (h Host) ExecInGuest(ctx context.Context, clock Clock, argv []string, output io.Writer) (*Outcome, int, error) {
	k, modules, err := h.Prepare(ctx)
	if err != nil {
		return nil, 0, err
	}
	cfg := h.config(k, modules)
	cfg.Clock = guest.Clock(clock)
	if err := h.addBusybox(ctx, &cfg); err != nil {
		return nil, 0, err
	}
	status := -1
	out, err := h.boot(ctx, cfg, job{Exec: argv}, func(r guest.Record) {
		var text []byte
		switch {
		case r.Kind == outputKind && r.Decode(&text) == nil:
			output.Write(text)
		case r.Kind == exitKind:
			_ = r.Decode(&status)
		}
	})
	return out, status, err
}

func (h Host) addBusybox(ctx context.Context, cfg *guest.Config) error {
	busybox, err := kernels.Unpack(ctx, "busybox-static", kernels.Options{Dir: h.CacheDir, Progress: h.Progress})
	if err == nil {
		cfg.Files = append(cfg.Files, guest.File{Path: "/bin/busybox", Mode: 0o755, Source: filepath.Join(busybox, "bin/busybox")})
	}
	return err
}

// Prepare has all that a guest needs fetched and built, so that it can be
// started at once. It need not be called.
func (h Host) Prepare(ctx context.Context) (*kernels.Kernel, *Modules, error) {
	k, err := h.Kernel(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := h.modules(ctx, k)
	return k, m, err
}

func (h Host) config(k *kernels.Kernel, m *Modules) guest.Config {
	snapshots := filepath.Join(h.CacheDir, "snapshots")
	if h.Cold {
		snapshots = ""
	}
	return guest.Config{
		Vmlinux: k.Vmlinux, Init: h.Init, QEMU: qemuCommand,
		MemoryMiB: h.MemoryMiB, Seed: h.Seed, CPU: h.CPU, Cmdline: h.Cmdline, SilenceLimit: h.SilenceLimit, OnConsole: h.Console,
		Snapshots: snapshots,
		Files: []guest.File{
			{Path: GuestProfiler, Source: m.Profiler.Path},
			{Path: GuestTestbed, Source: m.Testbed.Path},
		},
	}
}

// Kernel returns the kernel that guests run, fetched when the cache lacks it.
func (h Host) Kernel(ctx context.Context) (*kernels.Kernel, error) {
	o := kernels.Options{Dir: h.CacheDir, Progress: h.Progress}
	if h.Image != "" {
		return kernels.Own(ctx, h.Image, h.Headers, o)
	}
	return kernels.Get(ctx, cmp.Or(h.Series, kmod.DefaultSeries), o)
}

// modules returns both modules for a kernel, built unless they are there.
func (h Host) modules(ctx context.Context, k *kernels.Kernel) (*Modules, error) {
	if h.Modules != "" {
		return readymade(h.Modules, k.Release)
	}
	return h.Build(ctx, k)
}

// readymade returns the two modules in a directory.
func readymade(dir, release string) (*Modules, error) {
	profiler, err := kmod.Readymade(dir, kmod.ProfilerModule, release)
	if err != nil {
		return nil, err
	}
	testbed, err := kmod.Readymade(dir, kmod.TestbedModule, release)
	return &Modules{profiler, testbed}, err
}

// Build builds both modules for a kernel.
func (h Host) Build(ctx context.Context, k *kernels.Kernel) (*Modules, error) {
	if err := h.mayBuild(k); err != nil {
		return nil, err
	}
	return h.build(ctx, kmod.BuildOptions{
		Make: k.Make, Command: k.Command, Kernel: k.Release, Version: k.Version + k.Variant, Compiler: k.Compiler, Check: k.CanCheck(),
	})
}

// mayBuild refuses a kernel that the modules' own sources refuse. Others may
// have sources that do not.
func (h Host) mayBuild(k *kernels.Kernel) error {
	if k.Identity == "" || h.Profiler != nil || slices.ContainsFunc(kernels.Series, isOf(k.Release)) {
		return nil
	}
	return fmt.Errorf("kernel image %s is Linux %s, and the modules support none but %s; where yours do, say so with --profiler or --modules",
		h.Image, k.Release, strings.Join(kernels.Series, ", "))
}

// isOf tells whether a kernel is of a series.
func isOf(release string) func(series string) bool {
	return func(series string) bool {
		rest, ok := strings.CutPrefix(release, series)
		return ok && (rest == "" || rest[0] < '0' || rest[0] > '9')
	}
}

// BuildNative builds both modules for the running kernel.
func (h Host) BuildNative(ctx context.Context) (*Modules, error) {
	return h.build(ctx, kmod.BuildOptions{
		Make: kmod.MakeNative, Kernel: kmod.RunningRelease(), Version: kmod.RunningVersion(), Compiler: "gcc",
	})
}

func (h Host) build(ctx context.Context, o kmod.BuildOptions) (*Modules, error) {
	o.CacheDir = filepath.Join(h.CacheDir, "modules")
	one := func(name string, source, embedded fs.FS) (*kmod.Module, error) {
		o.Name, o.Source = name, source
		if source == nil {
			o.Source = embedded
		}
		h.Progress(fmt.Sprintf("build %s.ko for %s", name, o.Kernel))
		return kmod.Build(ctx, o)
	}
	profiler, err := one(kmod.ProfilerModule, h.Profiler, kmod.ProfilerSource())
	if err != nil {
		return nil, err
	}
	testbed, err := one(kmod.TestbedModule, h.Testbed, kmod.TestbedSource())
	if err != nil {
		return nil, err
	}
	return &Modules{profiler, testbed}, nil
}

func (h Host) boot(ctx context.Context, cfg guest.Config, j job, onRecord func(guest.Record)) (*Outcome, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	out := &Outcome{}
	cfg.Job = text
	cfg.OnRecord = func(r guest.Record) {
		var what string
		switch r.Kind {
		case progressKind:
			if r.Decode(&what) == nil {
				h.Progress(what)
			}
		case resultKind:
			out.Result = &Result{}
			if r.Decode(out.Result) != nil {
				out.Result = nil
			}
		default:
			if onRecord != nil {
				onRecord(r)
			}
		}
	}
	h.Progress("boot")
	out.Report, err = guest.Boot(ctx, cfg)
	return out, err
}

// GuestMain is the main function of a guest's init, in which [guest.InGuest]
// says true. It never returns. jobs are those that [Host.JobInGuest] can ask for.
func GuestMain(jobs ...Job) {
	guest.Main(func(ctx context.Context, text []byte, ch *guest.Channel) error {
		var j job
		if err := json.Unmarshal(text, &j); err != nil {
			return fmt.Errorf("job: %w", err)
		}
		switch {
		case j.Run != nil:
			return runJob(ctx, *j.Run, ch)
		case j.Name != "":
			return otherJob(ctx, j, jobs, ch)
		}
		return execJob(ctx, j.Exec, ch)
	})
}

func runJob(ctx context.Context, o Options, ch *guest.Channel) error {
	if o.Does(Command) {
		if err := installBusybox(); err != nil {
			return err
		}
	}
	result, err := Run(ctx, o, func(what string) { _ = ch.Send(progressKind, what) })
	if err != nil {
		return err
	}
	if err := ch.Send(resultKind, result); err != nil {
		return err
	}
	if !result.Good() {
		return fmt.Errorf("a check failed: %w", guest.ErrWrongNumbers)
	}
	return nil
}

func installBusybox() error {
	if out, err := exec.Command("/bin/busybox", "--install", "-s", "/bin").CombinedOutput(); err != nil {
		return fmt.Errorf("busybox: %w: %s", err, out)
	}
	return nil
}

func execJob(ctx context.Context, argv []string, ch *guest.Channel) error {
	if err := installBusybox(); err != nil {
		return err
	}
	if err := os.Symlink(guest.InitPath, guestSelf); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout = channelWriter{ch}
	cmd.Stderr = cmd.Stdout
	cmd.Env = append(os.Environ(), "HOME=/", "XDG_CACHE_HOME=/tmp")
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run %s: %w", strings.Join(argv, " "), err)
	}
	return ch.Send(exitKind, cmd.ProcessState.ExitCode())
}

type channelWriter struct{ ch *guest.Channel }

func (w channelWriter) Write(p []byte) (int, error) {
	return len(p), w.ch.Send(outputKind, p)
}
