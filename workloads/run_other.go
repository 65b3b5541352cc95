// SPDX-License-Identifier: MIT

//go:build !amd64

package workloads

import "context"

// Run returns [ErrNotSupported]: the engine exists for amd64 alone.
func Run(context.Context, *Program, Options) (*Result, error) {
	return nil, ErrNotSupported
}

// RunTeam returns [ErrNotSupported], as Run does.
func RunTeam(context.Context, []*Program, Options) ([]*Result, error) {
	return nil, ErrNotSupported
}
