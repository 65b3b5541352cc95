// SPDX-License-Identifier: MIT

// Package kernels fetches stock Debian kernels with what is needed to build
// modules for them, and keeps them in a cache.
//
// Packages come through the machine's own apt: its sources, keyrings, proxies
// and checks. The state that apt keeps is private to the cache, so that no
// root is needed, a machine whose package lists were never updated will do,
// and nothing outside the cache changes. A kernel that none of the sources has
// is looked for in the backports of the machine's Debian release and then in the
// other releases of Debian that are known to have it, from the mirror and with
// the key that the machine uses for its own. What apt refuses is not used, and
// of the other releases it refuses what has expired even where the machine is
// set up to take that.
//
// Modules for a kernel that is too new for the machine's compilers are built in
// a root: the compiler and libraries of the kernel's own Debian release,
// unpacked in the cache. That takes root's privileges or a user namespace.
//
// A cache entry appears whole or not at all, and a whole one is used without
// apt and without a network. Several processes may share a cache.
package kernels
