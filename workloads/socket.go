// SPDX-License-Identifier: MIT

package workloads

import (
	"os"

	"golang.org/x/sys/unix"
)

// A message is sent and received by one process, so that it never sleeps. By
// the loopback interface it goes through an interrupt of the network's, which
// comes before the call that sends returns.

func unixStream() Generator {
	return Generator{
		Name:         "unix",
		Doc:          "sendto of 8 bytes over a pair of unix stream sockets, and recvfrom",
		Funcs:        once("sys_sendto", "sys_recvfrom", "unix_stream_sendmsg", "unix_stream_recvmsg"),
		DefaultCalls: 10000,
		Batch:        100,
		prepare: func(p *Program) error {
			ends, err := p.socketPair()
			if err != nil {
				return err
			}
			return p.exchange(ends[0], ends[1])
		},
	}
}

func (p *Program) socketPair() (ends [2]uintptr, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ends, os.NewSyscallError("socketpair", err)
	}
	return [2]uintptr{p.Own(fds[0]), p.Own(fds[1])}, nil
}

// exchange sends a few bytes by one socket and receives them by another.
func (p *Program) exchange(from, to uintptr) error {
	send, err := p.transfer("sendto", unix.SYS_SENDTO, from)
	if err != nil {
		return err
	}
	send.Measured = true
	receive, err := p.transfer("recvfrom", unix.SYS_RECVFROM, to)
	p.Ops = []Op{send, receive}
	return err
}

func sendmsg() Generator {
	return Generator{
		Name:         "sendmsg",
		Doc:          "sendmsg of 8 bytes over a pair of unix stream sockets, and recvmsg",
		Funcs:        once("sys_sendmsg", "sys_recvmsg"),
		DefaultCalls: 10000,
		Batch:        100,
		prepare: func(p *Program) error {
			ends, err := p.socketPair()
			if err != nil {
				return err
			}
			_, buf, err := p.Alloc(transferBytes)
			if err != nil {
				return err
			}
			part, err := put(p, [2]uintptr{buf, transferBytes}) // struct iovec
			if err != nil {
				return err
			}
			// struct user_msghdr, of which only msg_iov and msg_iovlen are set.
			header, err := put(p, [7]uintptr{2: part, 3: 1})
			p.Ops = []Op{
				{Name: "sendmsg", Nr: unix.SYS_SENDMSG, Args: [6]uintptr{ends[0], header}, Want: transferBytes, Measured: true},
				{Name: "recvmsg", Nr: unix.SYS_RECVMSG, Args: [6]uintptr{ends[1], header}, Want: transferBytes},
			}
			return err
		},
	}
}

func udp() Generator {
	return Generator{
		Name:         "udp",
		Doc:          "sendto of 8 bytes by UDP to the own socket over lo, and recvfrom",
		Funcs:        once("udp_sendmsg", "udp_recvmsg", "udp_rcv", "ip_rcv"),
		DefaultCalls: 10000,
		Batch:        100,
		Loopback:     true,
		prepare: func(p *Program) error {
			fd, address, err := p.localSocket(unix.SOCK_DGRAM)
			if err != nil {
				return err
			}
			if err := unix.Connect(int(fd), address); err != nil {
				return os.NewSyscallError("connect", err)
			}
			return p.exchange(fd, fd)
		},
	}
}

// localSocket makes an internet socket with a free port of 127.0.0.1.
func (p *Program) localSocket(kind int) (uintptr, unix.Sockaddr, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, os.NewSyscallError("socket", err)
	}
	p.Own(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, nil, os.NewSyscallError("bind", err)
	}
	address, err := unix.Getsockname(fd)
	return uintptr(fd), address, os.NewSyscallError("getsockname", err)
}

// tcp has each segment sent at once; when it is acknowledged is TCP's business.
func tcp() Generator {
	return Generator{
		Name:         "tcp",
		Doc:          "sendto of 8 bytes over a TCP connection over lo, and recvfrom",
		Funcs:        once("tcp_sendmsg", "tcp_recvmsg"),
		DefaultCalls: 10000,
		Batch:        100,
		Varies:       true,
		Loopback:     true,
		prepare: func(p *Program) error {
			from, to, err := p.connection()
			if err != nil {
				return err
			}
			return p.exchange(from, to)
		},
	}
}

func (p *Program) connection() (from, to uintptr, err error) {
	listener, address, err := p.localSocket(unix.SOCK_STREAM)
	if err != nil {
		return 0, 0, err
	}
	if err := unix.Listen(int(listener), 1); err != nil {
		return 0, 0, os.NewSyscallError("listen", err)
	}
	from, _, err = p.localSocket(unix.SOCK_STREAM)
	if err != nil {
		return 0, 0, err
	}
	if err := unix.Connect(int(from), address); err != nil {
		return 0, 0, os.NewSyscallError("connect", err)
	}
	fd, _, err := unix.Accept4(int(listener), unix.SOCK_CLOEXEC)
	if err != nil {
		return 0, 0, os.NewSyscallError("accept4", err)
	}
	return from, p.Own(fd), os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(from), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
}
