# Two commands are enough: `make run` and `make test`. Each installs what is missing, if it may.

# Build products live outside of the checkout, so that a fresh clone need not compile its dependencies anew.
SCRATCH ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/stonepot/build
LISTEN ?= 127.0.0.1:1999
STORE ?= sqlite:data/stonepot.sqlite
SWIFT_BUILD = swift build --scratch-path '$(SCRATCH)'
SOURCES = Package.swift Sources Tests benchmarks/micro
DRILL = kill
MINUTES = 10
SECONDS = 60
SCENARIOS = group-orders
PEER_SCENARIOS = group-orders group-orders-deltas big-room
MICRO_BASELINE = benchmarks/baselines/micro.json

.PHONY: help run build cluster cluster-down drill drills soak simulate simulate-mutants test test-tsan test-asan test-api fuzz \
	conformance bench bench-micro bench-peers bench-scale format lint setup setup-cluster setup-drill setup-test \
	setup-conformance setup-api setup-bench setup-peers setup-scale

help:
	@echo 'make run          build and serve on $(LISTEN), rooms in ./data'
	@echo 'make cluster      build and start three nodes and two gateways on this machine; cluster/local does more'
	@echo 'make cluster-down stop them'
	@echo 'make drill        harm such a cluster under load and audit what its clients saw; DRILL=kill, STORE=sqlite, …'
	@echo 'make drills       all drills, with both stores, about twenty minutes; what each found is in data/drills'
	@echo 'make soak         load such a cluster for MINUTES=10, with faults, and see that what it takes levels off'
	@echo 'make test         everything that continuous integration runs'
	@echo 'make test-tsan    the tests with the thread sanitizer'
	@echo 'make test-asan    the tests with the address sanitizer'
	@echo 'make test-api     hold the server to its document, /openapi.json, with requests that are made up'
	@echo 'make simulate     whole clusters in virtual time, SEEDS=100 of them, beginning with FIRST=1'
	@echo 'make simulate-mutants  the same with planted bugs, to see that each is found'
	@echo 'make build        the release binary, bin/stonepot'
	@echo 'make fuzz         feed the decoders at random, SECONDS=60 for each target'
	@echo 'make conformance  hold the server to its protocols with clients that others wrote'
	@echo 'make bench        measure beside a plain Node server, compare with the baseline; SCENARIOS=all for everything'
	@echo 'make bench-peers  measure beside Node servers in memory and with SQLite'
	@echo 'make bench-scale  how cost grows with rooms, people, connections, event loops and nodes'
	@echo 'make bench-micro  processor time of each step of a message, compare with the baseline'
	@echo 'make format       put the sources into their format'
	@echo 'make lint         check the format'

run: build
	@echo 'Rooms are at ws://$(LISTEN)/parties/collaborative_order/{room}; stop with Ctrl-C.'
	@bin/stonepot serve --listen '$(LISTEN)' --store '$(STORE)'

cluster: setup-cluster build
	@cluster/local up

cluster-down:
	@cluster/local down

# The drill says what was not as promised; see docs/operations.md.
drill: setup-drill build
	@cluster/drill '$(DRILL)'

# Ten minutes and more say whether what it takes levels off.
soak: setup-drill build
	@MINUTES='$(MINUTES)' cluster/drill soak

drills: setup-drill build
	@cluster/all-drills

build: setup
	$(SWIFT_BUILD) -c release --product stonepot
	@mkdir -p bin
	@install "$$($(SWIFT_BUILD) -c release --show-bin-path)/stonepot" bin/stonepot

# Tests that talk to servers go in groups, one after the other: all at once they would only wait for one another, and
# take what is late for lost. A test that hangs is ended: not all waits can be cancelled.
TEST_GROUPS = GatewayTests LinkTests LoadTests ServiceTests SimulationTests StoreTests
RUN_TESTS = timeout --kill-after=10 900 swift test --scratch-path '$(SCRATCH)' --skip-build

test: setup-test lint
	$(SWIFT_BUILD) --build-tests
	$(RUN_TESTS) $(foreach group,$(TEST_GROUPS),--skip '^$(group)\.')
	set -e; for group in $(TEST_GROUPS); do $(RUN_TESTS) --filter "^$$group\."; done
	MINUTES=1 STORE=sqlite FOLDER='$(SCRATCH)-soak' FIRST_PORT=13198 STONEPOT="$$($(SWIFT_BUILD) --show-bin-path)/stonepot" \
	  timeout --kill-after=180 300 cluster/drill soak

# What has been built with a sanitizer lies beside what has not. A finding changes the exit code, of a program that a test
# starts as well, even where the run says that all tests passed. Simulations run on one thread, for hours there.
test-tsan: SANITIZED = --scratch-path '$(SCRATCH)-thread' --sanitize=thread -Xlinker '$(SCRATCH)-thread/mutex.o'
test-asan: SANITIZED = --scratch-path '$(SCRATCH)-address' --sanitize=address
test-tsan: $(SCRATCH)-thread/mutex.o
test-tsan test-asan: setup-test
	swift build $(SANITIZED) --build-tests
	STONEPOT_TEST_PATIENCE=120 ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/Sanitizing/thread \
	  timeout --kill-after=10 3600 swift test $(SANITIZED) --skip-build --no-parallel --skip '^SimulationTests\.'

$(SCRATCH)-thread/mutex.o: Tests/Sanitizing/mutex.c
	@mkdir -p '$(@D)'
	clang -O2 -Wall -c $< -o '$@'

test-api: setup-api build
	SCRATCH='$(SCRATCH)' Tests/API/run $(PARTS)

SEEDS = 100
FIRST = 1
SIMULATE = "$$($(SWIFT_BUILD) --show-bin-path)/simulate"

simulate: setup
	$(SWIFT_BUILD) --product simulate
	$(SIMULATE) --seeds $(SEEDS) --first $(FIRST)

simulate-mutants: setup
	$(SWIFT_BUILD) --product simulate
	set -e; for mutant in $$($(SIMULATE) --mutants); do $(SIMULATE) --mutant $$mutant; done

fuzz: setup
	SCRATCH='$(SCRATCH)' SECONDS_PER_TARGET='$(SECONDS)' Tests/Fuzzing/run $(TARGETS)

conformance: setup-conformance build
	SCRATCH='$(SCRATCH)' Tests/Conformance/run $(PARTS)

bench: setup-bench build
	benchmarks/run $(SCENARIOS) --compare

# The same room on Node, in memory and durable, and stonepot, in one run.
bench-peers: setup-peers build
	benchmarks/run $(PEER_SCENARIOS) --only stonepot,node,node-sqlite,node-sqlite-group

# Each curve by itself: benchmarks/scale --help.
bench-scale: setup-scale build
	benchmarks/scale $(CURVES)

bench-micro: setup
	$(SWIFT_BUILD) -c release --product stonepot-micro
	"$$($(SWIFT_BUILD) -c release --show-bin-path)/stonepot-micro" \
	  $(if $(wildcard $(MICRO_BASELINE)),--compare $(MICRO_BASELINE)) $(MICRO)

format:
	swift format --in-place --recursive $(SOURCES)

lint:
	swift format lint --strict --recursive $(SOURCES)

setup:
	@.ci/setup

setup-cluster:
	@.ci/setup curl

setup-drill:
	@.ci/setup curl openssl postgresql iproute2 python3

setup-test:
	@.ci/setup postgresql strace python3 openssl curl iproute2

setup-conformance:
	@.ci/setup python3 python3-websockets openssl curl nghttp2-client

setup-api:
	@.ci/setup python3 python3-venv

setup-bench:
	@.ci/setup python3 nodejs node-ws

setup-peers: setup-bench
	@benchmarks/peers/setup

setup-scale:
	@.ci/setup python3 openssl postgresql
