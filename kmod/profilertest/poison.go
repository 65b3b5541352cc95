// SPDX-License-Identifier: MIT

package profilertest

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed poison/Kbuild poison/*.c
var poison embed.FS

// PoisonModule is the name of the module that takes the place of one that was
// unloaded: half a megabyte of breakpoints.
const PoisonModule = "poison"

// PoisonSource returns the C sources of poison.ko.
func PoisonSource() fs.FS {
	sub, err := fs.Sub(poison, "poison")
	if err != nil {
		panic(fmt.Sprintf("profilertest: %v", err)) // the name is a constant
	}
	return sub
}
