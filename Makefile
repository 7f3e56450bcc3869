# The words that people and CI use alike: `make` lists them.
# Needs Go, git and make; the race detector also needs a C compiler.
.POSIX:
.SUFFIXES:

# Modules with tests and Go code to lint; one that is not there yet is passed over.
MODULES = . integration benchmarks cmd/etcdv2dump clientv3 clientv3/integration clientv3/benchmarks tools

FUZZTIME = 10s
BRIDGEFUZZTIME = 300x
RACECOUNT = 5
MINCOVER = 90.0
TESTTIMEOUT = 20m
BENCH = .
CHART = -results=results.json
FAULTS =
PORT = 2379
PROVE =
CHECK =

# The race detector wherever this machine can build it.
TEST = go test $$(test "$$(go env CGO_ENABLED)" = 0 || echo -race) -shuffle=on -timeout=$(TESTTIMEOUT)

help: ## list these words
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

check: ## before each commit, in under a minute: format, vet, lint of changed modules, tests without servers; CHECK=-all lints all
	@cd tools && go run ./check $(CHECK) $(MODULES)

demo: ## run the demo on real etcd servers
	@cd integration && go run ./cmd/demo

etcd: ## run etcd 3.5 with the v2 API in the foreground, on port PORT (2379)
	@cd integration && go run ./cmd/etcd -port=$(PORT)

readme: ## follow README.md in a new clone of the last commit, with Go, git and make only; port 2379 must be free
	@cd integration && go run ./cmd/readme

build: ## build what the tests on real servers need, so that compiling does not slow them down
	@for v in 35 36 37; do (cd integration/etcd$$v && go build -o /dev/null go.etcd.io/etcd/server/v3) || exit 1; done
	@cd integration/programs/etcdctl && go build -o /dev/null go.etcd.io/etcd/etcdctl/v3
	@cd integration/programs/gokit && go build -o /dev/null . && go test -c -tags=flaky_integration -o /dev/null github.com/go-kit/kit/sd/etcd
	@cd integration/programs/viper && go build -o /dev/null .
	@for m in $(MODULES); do test ! -f $$m/go.mod || (cd $$m && $(TEST) -run='^$$' ./... >/dev/null) || exit 1; done

# Packages that start servers run one after the other, for the servers' sake.
test: build ## run all tests: those of the library, then those on real servers
	@rc=0; for m in $(MODULES); do \
		test -f $$m/go.mod || continue; \
		case $$m in *integration) one=-p=1;; *) one=;; esac; \
		(cd $$m && $(TEST) $$one ./...) || rc=1; \
	done; exit $$rc

integration: ## run the tests on real servers only
	@for m in integration clientv3/integration; do (cd $$m && $(TEST) -p=1 ./...) || exit 1; done

faults: ## run all fault scenarios in all networks and print their table; FAULTS='-run … -network …' selects rows
	@cd integration && go run ./cmd/faults $(FAULTS)

prove-faults: ## revert the fix of each finding in a temporary worktree, and expect its row to fail; PROVE='-run …' selects patches
	@cd integration && go run ./cmd/provefaults $(PROVE)

race: ## run the library's tests RACECOUNT times under the race detector
	@go test -race -shuffle=on -count=$(RACECOUNT) -timeout=$(TESTTIMEOUT) ./...

# Of the bridge, coverage is not the same from play to play: to minimize is in vain.
fuzz: ## fuzz each target of the library for FUZZTIME, and the bridge for BRIDGEFUZZTIME
	@for p in . ./dump; do \
		list=$$(go test -list '^Fuzz' $$p) || { echo "$$list"; exit 1; }; \
		targets=$$(echo "$$list" | grep '^Fuzz') || { echo "fuzz: no targets in $$p" >&2; exit 1; }; \
		for f in $$targets; do \
			echo "fuzz $$f $(FUZZTIME)"; \
			go test -run='^$$' -fuzz="^$$f\$$" -fuzztime=$(FUZZTIME) $$p || exit 1; \
		done; \
	done
	@echo "fuzz FuzzBridge $(BRIDGEFUZZTIME)"
	@cd clientv3/integration && go test -run='^$$' -fuzz='^FuzzBridge$$' -fuzzminimizetime=1x -fuzztime=$(BRIDGEFUZZTIME) ./bridge

cover: ## measure the root package's coverage; fail below MINCOVER percent
	@go test -covermode=atomic -coverprofile=coverage.out .
	@go tool cover -func=coverage.out | awk -v min=$(MINCOVER) ' \
		$$1 == "total:" { total = $$3; sub(/%/, "", total) } \
		END { printf "coverage %s%%, at least %s%% wanted\n", total, min; exit total + 0 < min + 0 }'

bench: ## compare with the historic client and bare net/http in a table; BENCH selects rows
	@cd benchmarks && go run ./cmd/compare -run='$(BENCH)'

chart: ## measure like bench; write the chart and the READMEs' tables; CHART=-from=results.json writes them without measuring
	@cd benchmarks && go run ./cmd/compare $(CHART) -chart=../docs/speed.svg -table=README.md -readme=../README.md

benchv3: ## compare clientv3 with go.etcd.io/etcd/client/v3, and the bridge with the v2 API, in tables; BENCH selects rows
	@cd clientv3/benchmarks && go run ./cmd/compare -run='$(BENCH)'

lint: ## check format, go.mod files, go vet and golangci-lint in each module
	@rc=0; \
	bad=$$(gofmt -l .); test -z "$$bad" || { echo "not formatted: $$bad"; rc=1; }; \
	for m in $(MODULES); do \
		test -f $$m/go.mod || continue; \
		(cd $$m && go mod tidy -diff) || rc=1; \
	done; \
	tools=$$PWD/tools/go.mod; \
	for m in $(MODULES); do \
		test -f $$m/go.mod || continue; \
		echo "lint $$m"; \
		(cd $$m && go vet ./... && go tool -modfile="$$tools" golangci-lint run ./...) || rc=1; \
	done; exit $$rc

.PHONY: help check demo etcd readme build test integration faults prove-faults race fuzz cover bench chart benchv3 lint
