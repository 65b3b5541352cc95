// SPDX-License-Identifier: MIT

package workloads

// Numbers of system calls that younger architectures lack. They are those of
// amd64, for which alone there is an engine.
const (
	sysPoll      = 7
	sysSelect    = 23
	sysFork      = 57
	sysVfork     = 58
	sysEpollWait = 232
)
