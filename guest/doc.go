// SPDX-License-Identifier: MIT

// Package guest runs a job in a virtual machine: it boots a kernel in QEMU
// with an initramfs made here, brings the job's records back and says how the
// guest ended.
//
// The package has two halves. On the host, [Boot] starts QEMU and watches it.
// In the guest, the caller's own static binary is process 1 and calls [Main],
// which prepares the system, runs the job, and powers the guest off. One
// binary can be both, because [InGuest] tells where it runs.
//
// Results never travel over the kernel's console. The guest has two serial
// ports: ttyS0 is the console, watched for complaints of the kernel until QEMU
// has exited, and ttyS1 carries frames with a checksum each, the last of which
// says "done". A guest without that frame has failed, whatever it said before.
//
// The kernel starts an agent first, which fetches that binary and all other
// files over QEMU's firmware configuration. The machine up to there is kept as a
// snapshot in [Config.Snapshots] and serves every job.
//
// With [ICount], the default clock, guest time is the number of instructions
// executed. Two guests of the same [Config] with the same QEMU are then the same
// to the last digit, booted or not, however busy the host is, because the host cannot
// be felt in the guest: nothing is random but by a seed, the time of day is the
// guest's own (qemu.go), both serial ports are written to memory files, which never
// make it wait, QEMU's threads are not at work at once, so that time moves on by as
// much when the guest is idle (processor.alternation), and what it keeps of translated
// addresses does not depend on the host's time (hosttime.go).
//
// A guest leaves nothing behind: its files have no names, and QEMU dies with
// the process that started it, even when that one is killed.
package guest
