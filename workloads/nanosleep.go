// SPDX-License-Identifier: MIT

package workloads

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nanosleep sleeps inside the function that is watched. The engine's timer
// slack is 1 ns, so the sleep is about as long as it asks for.
func nanosleep() Generator {
	return Generator{
		Name:         "nanosleep",
		Doc:          "nanosleep of 1 µs, a function that sleeps",
		Funcs:        []Func{{"sys_nanosleep", 1}},
		DefaultCalls: 2000,
		Batch:        20,
		prepare: func(p *Program) error {
			b, request, err := p.Alloc(int(unsafe.Sizeof(unix.Timespec{})))
			if err != nil {
				return err
			}
			*(*unix.Timespec)(unsafe.Pointer(&b[0])) = unix.NsecToTimespec(int64(time.Microsecond))
			p.Ops = []Op{{Name: "nanosleep", Nr: unix.SYS_NANOSLEEP, Args: [6]uintptr{request}, Measured: true}}
			return nil
		},
	}
}
