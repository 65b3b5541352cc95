// SPDX-License-Identifier: MIT

package workloads

import (
	"os"

	"golang.org/x/sys/unix"
)

// Calls that wait until one of several files is ready. It always is, so that
// they do not sleep.

func epoll() Generator {
	return Generator{
		Name:         "epoll",
		Doc:          "epoll_ctl, which changes nothing, and epoll_wait for a pipe that holds bytes",
		Funcs:        once("sys_epoll_wait", "sys_epoll_ctl", "do_epoll_wait", "do_epoll_ctl"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			fd, err := p.fullPipe()
			if err != nil {
				return err
			}
			ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			if err != nil {
				return os.NewSyscallError("epoll_create1", err)
			}
			p.Own(ep)
			event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
			if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, int(fd), &event); err != nil {
				return os.NewSyscallError("epoll_ctl", err)
			}
			same, err := put(p, event)
			if err != nil {
				return err
			}
			ready, err := put(p, unix.EpollEvent{})
			p.Ops = []Op{
				{Name: "epoll_ctl", Nr: unix.SYS_EPOLL_CTL, Args: [6]uintptr{uintptr(ep), unix.EPOLL_CTL_MOD, fd, same}},
				{Name: "epoll_wait", Nr: sysEpollWait, Args: [6]uintptr{uintptr(ep), ready, 1, forever}, Want: 1, Measured: true},
			}
			return err
		},
	}
}

const forever = ^uintptr(0)

func poll() Generator {
	return Generator{
		Name:         "poll",
		Doc:          "poll of a pipe that holds bytes",
		Funcs:        once("sys_poll", "do_sys_poll", "pipe_poll"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			fd, err := p.fullPipe()
			if err != nil {
				return err
			}
			at, err := put(p, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
			p.Ops = []Op{{Name: "poll", Nr: sysPoll, Args: [6]uintptr{at, 1, forever}, Want: 1, Measured: true}}
			return err
		},
	}
}

func selecting() Generator {
	return Generator{
		Name:         "select",
		Doc:          "select of a pipe that holds bytes",
		Funcs:        once("sys_select", "core_sys_select", "do_select"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			fd, err := p.fullPipe()
			if err != nil {
				return err
			}
			var set unix.FdSet
			set.Set(int(fd))
			at, err := put(p, set)
			p.Ops = []Op{{Name: "select", Nr: sysSelect, Args: [6]uintptr{fd + 1, at}, Want: 1, Measured: true}}
			return err
		},
	}
}

func eventfd() Generator {
	return Generator{
		Name:         "eventfd",
		Doc:          "write to an eventfd, and read that takes the value back",
		Funcs:        once("eventfd_write", "eventfd_read"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
			if err != nil {
				return os.NewSyscallError("eventfd", err)
			}
			return p.thereAndBack(p.Own(fd), uintptr(fd))
		},
	}
}
