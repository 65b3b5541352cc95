// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelLog reads what the kernel logs from now on.
type kernelLog struct{ fd int }

func openKernelLog() (kernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return kernelLog{}, err
	}
	_, err = unix.Seek(fd, 0, unix.SEEK_END)
	return kernelLog{fd}, err
}

func (k kernelLog) close() { unix.Close(k.fd) }

// lines returns the messages since the last time.
func (k kernelLog) lines() ([]string, error) {
	var lines []string
	buf := make([]byte, 8192) // a record for each read
	for {
		n, err := unix.Read(k.fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		// "priority,sequence,time,flags;message\n"
		_, text, _ := strings.Cut(string(buf[:n]), ";")
		text, _, _ = strings.Cut(text, "\n")
		lines = append(lines, text)
	}
}
