// SPDX-License-Identifier: MIT

package workloads

import "golang.org/x/sys/unix"

// getpid is the cheapest call there is: what a probe costs shows best in it.
func getpid() Generator {
	return Generator{
		Name:         "getpid",
		Doc:          "getpid, which does next to nothing",
		Funcs:        once("sys_getpid"),
		DefaultCalls: 150000,
		Batch:        500,
		prepare: func(p *Program) error {
			p.Ops = []Op{{Name: "getpid", Nr: unix.SYS_GETPID, Measured: true}}
			return nil
		},
	}
}
