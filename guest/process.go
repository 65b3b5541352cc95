// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running QEMU.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan struct{} // closed when QEMU is gone and has been waited for
	err    error         // of Wait; read after done
}

// startProcess starts the emulator so that it cannot outlive this process, on
// one processor if one is said.
func startProcess(name string, args []string, f *portFiles, one bool) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stderr, &p.stderr
	p.cmd.ExtraFiles = f.files // from descriptor 3 on
	if f.library != "" {
		p.cmd.Env = preloading(f.library)
	}
	// A group of its own keeps the terminal's Ctrl-C away from QEMU, so that
	// cancelling is ours alone. Pdeathsig is what is left when this process is
	// killed and can do nothing any more.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// Pdeathsig fires when the thread that started the child ends, so that
		// thread must stay with it. It is not unlocked, and so ends with this
		// goroutine, because it may run on one processor only.
		runtime.LockOSThread()
		leave, err := p.start(one)
		defer leave()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// start starts the command on this thread. What it returns is to be called when
// the command has ended.
func (p *process) start(one bool) (leave func(), err error) {
	if !one {
		return func() {}, p.cmd.Start()
	}
	s, err := takeSeat()
	if err != nil {
		return func() {}, err
	}
	return s.leave, p.cmd.Start()
}

// kill ends QEMU and waits for it.
func (p *process) kill() {
	select {
	case <-p.done:
		return
	default:
	}
	// An error means that QEMU has gone meanwhile.
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	<-p.done
}

func (p *process) exited() <-chan struct{} { return p.done }

// cpuTime returns the processor time that QEMU has used; read after exit.
func (p *process) cpuTime() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// cpuSoFar is cpuTime while QEMU runs, to a hundredth of a second.
func (p *process) cpuSoFar() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// proc(5): utime and stime are the 12th and 13th field after the name,
	// which is in parentheses, in ticks of sysconf(_SC_CLK_TCK): 100 on Linux.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// said returns QEMU's own messages in one line.
func (p *process) said() string {
	return strings.Join(strings.Fields(p.stderr.String()), " ")
}

// startAdvice turns an error of starting QEMU into advice.
func startAdvice(name string, err error) string {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return fmt.Sprintf("%s is not there: install QEMU (Debian: apt-get install qemu-system-x86): %v", name, err)
	}
	return fmt.Sprintf("start %s: %v", name, err)
}
