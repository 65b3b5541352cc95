// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mounts are in the order in which they must be made. tracefs appears below
// debugfs by itself as well, but the path that tools use today is this one.
var mounts = []struct{ fstype, dir, options string }{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"debugfs", "/sys/kernel/debug", ""},
	{"tracefs", "/sys/kernel/tracing", ""},
	{"tmpfs", "/tmp", "mode=1777"},
}

func mountAll() error {
	for _, m := range mounts {
		if err := unix.Mount(m.fstype, m.dir, m.fstype, 0, m.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.fstype, m.dir, err)
		}
	}
	return nil
}

const printkFile = "/proc/sys/kernel/printk"

// warningsShown is the console level that lets KERN_WARNING (4) through and
// nothing chattier: every character on the console costs the guest time.
const warningsShown = 5

// setUpConsole makes sure that the kernel's warnings reach the console. A level
// that the kernel command line has set higher is left alone.
func setUpConsole() error {
	b, err := os.ReadFile(printkFile)
	if err != nil {
		return fmt.Errorf("read console level: %w", err)
	}
	fields := strings.Fields(string(b))
	if len(fields) == 0 {
		return errors.New("read console level: " + printkFile + " is empty")
	}
	level, err := strconv.Atoi(fields[0])
	if err != nil {
		return fmt.Errorf("read console level: %w", err)
	}
	if level >= warningsShown {
		return nil
	}
	if err := os.WriteFile(printkFile, []byte(strconv.Itoa(warningsShown)), 0); err != nil {
		return fmt.Errorf("raise console level: %w", err)
	}
	return nil
}
