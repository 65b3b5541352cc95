#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the form of the Go code and of the scripts.
set -eu
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	echo "not in gofmt's form:" >&2
	echo "$unformatted" >&2
	exit 1
fi
go vet ./...
go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
for script in scripts/*.sh .ci/run; do
	sh -n "$script"
done
