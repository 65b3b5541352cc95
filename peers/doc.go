// SPDX-License-Identifier: MIT

// Package peers measures profiler.ko beside what else the kernel offers to count
// and time its functions: tracers, events and triggers of tracefs, and BPF
// programs, one after the other in one boot, under the same calls.
//
// [Run] does so in the kernel it runs on, as root. [RunInGuest] boots a kernel in
// QEMU and has the same done there; its init must know [GuestJob].
package peers
