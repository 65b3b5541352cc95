# SPDX-License-Identifier: MIT
# make run    measure profiler.ko in a guest, with results in out/latest.txt
# make test   lint and test everything, in real guests too
# make test-all, make race   more of them, and the same with the race detector
# make module build profiler.ko and kprof_testbed.ko for the guest's kernel
GO    ?= go
FUNCS ?= sys_getpid
BENCH := bin/kprof-bench

# One way to compile for all that is done here, so that nothing is compiled twice.
export CGO_ENABLED := 0
export GOFLAGS     := $(GOFLAGS) -trimpath -buildvcs=false

# Those in README.md's table.
KERNELS := 5.10,5.10-cloud,5.10-rt,6.1,6.1-cloud,6.1-rt,6.12,6.12-cloud,6.12-rt,7.3,7.3-cloud,7.3-rt

run: setup $(BENCH)
	@mkdir -p out
	$(BENCH) run --funcs $(FUNCS) --out out/latest.txt

test: setup lint
	$(GO) test -vet=off -count=1 -timeout 20m ./...

# What takes too long for each change: every check of the module on each kernel, and
# more often, and all peers twice.
test-all: setup
	$(GO) test -vet=off -count=1 -timeout 90m ./kmod/profilertest -all -pairs 200000 -cycles 20
	$(GO) test -vet=off -count=1 -timeout 60m ./cmd/kprof-bench -run TestPeersRepeat -all

# The same under the race detector, for which everything is compiled once more.
race: setup
	CGO_ENABLED=1 $(GO) test -race -vet=off -count=1 -timeout 60m ./...

module: setup $(BENCH)
	$(BENCH) build --out out

# The figures and charts that README.md shows, after the module has changed.
record: setup $(BENCH)
	$(BENCH) run --funcs sys_getpid --backends all --out results/recorded/backends.txt
	$(BENCH) run --only latency --out results/recorded/latency.txt
	$(BENCH) run --kernel $(KERNELS) --funcs sys_getpid --calls 400 --backends direct,rethook,kretprobe --out results/recorded/kernels.txt
	$(BENCH) kernels table results/recorded/kernels.txt --into README.md
	$(BENCH) plot results/recorded/backends.txt --out plots/backends.svg
	$(BENCH) plot results/recorded/latency.txt --out plots/latency.svg
	$(BENCH) peers --funcs sys_getpid --with-tools --out results/recorded/peers.txt
	$(BENCH) peers --funcs sys_getpid --with-tools --kernel 6.12 --out results/recorded/peers-6.12.txt
	$(BENCH) plot results/recorded/peers.txt --out plots/peers.svg

# Tells whether the module's cost has changed; where that is meant, records it.
gate: setup $(BENCH)
	$(BENCH) gate

baseline: setup $(BENCH)
	$(BENCH) gate --renew

# What each night measures, added to results/history, with a report in out/night.
nightly: setup $(BENCH)
	$(BENCH) nightly

# Also part of the tests: the modules' warnings, sparse and checkpatch.
lint: setup
	scripts/lint.sh

# Static, because the program is the guest's init too. Go knows what is old.
$(BENCH): FORCE
	$(GO) build -o $@ ./cmd/kprof-bench

setup:
	@scripts/setup.sh

clean:
	rm -rf bin out

FORCE:
.PHONY: run test test-all race module record gate baseline nightly lint setup clean FORCE
