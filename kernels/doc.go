// SPDX-License-Identifier: MIT

// Package kernels fetches stock Debian kernels with what is needed to build
// modules for them, and keeps them in a cache.
//
// Packages come through the machine's own apt: its sources, keyrings, proxies
// and checks. The state that apt keeps is private to the cache, so that no
// root is needed, a machine whose package lists were never updated will do,
// and nothing outside the cache changes. A kernel that none of the sources has
// is looked for in the backports of the machine's Debian release, from the
// mirror and with the key that the machine uses for the release itself.
//
// A cache entry appears whole or not at all, and a whole one is used without
// apt and without a network. Several processes may share a cache.
package kernels
