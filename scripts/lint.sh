#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the form of the Go code, of the scripts and of the workflows.
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
# The same on every machine, whatever other checkers it has.
go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 -shellcheck= -pyflakes=
for script in scripts/*.sh .ci/run; do
	sh -n "$script"
done
