#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that the project needs and this machine lacks.
set -eu

# What a kernel module is built with, what boots it, what unpacks a kernel, what
# enters the system that modules of other releases are built in, and the compiler
# of go test -race.
packages='gcc gcc-12 libc6-dev make binutils libelf1 sparse qemu-system-x86 xz-utils perl-base util-linux mount'

missing=
for package in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root=sudo
else
	echo "These packages are needed:$missing" >&2
	echo "Install them as root:  apt-get update && $install" >&2
	exit 1
fi

echo "install$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# Without an update a fresh machine knows no packages, or only old ones.
# shellcheck disable=SC2086 # words on purpose
if ! { $as_root apt-get update && $as_root $install; } >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
