# RedisJobs. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

GO ?= go
VERSION ?= $(shell packaging/version.sh)
# Times in packages are those of the commit.
export SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),1767225600)
# Who answers for the packages: whoever publishes them sets it.
MAINTAINER ?= The RedisJobs authors <redisjobs@example.org>
# The newest nfpm whose modules are all on the public proxy.
NFPM ?= github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.1
GOTESTSUM ?= gotest.tools/gotestsum@v1.13.0
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 20s
# The packages whose tests `make mutate` tests, and the least that they must notice, in percent.
MUTATE ?= pool redisclient redisclient/resp redisclient/cluster targets metrics/info metrics/server metrics/jobs
MUTATELEAST ?= 85
# How many changes of each package are tried; 0 for all.
MUTATESAMPLE ?= 0
SOAKTIME ?= 10m
SHOPTIME ?= 1h
TARGET ?= test
TESTFLAGS ?=
JOBSFLAGS ?=
BENCHFLAGS ?=

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/redisjobs
# Where packaging/go.sh puts a Go toolchain on machines that have none, or an older one than go.mod wants.
export PATH := $(CACHE)/go/bin:$(PATH)
PLUGIN := build/zabbix-agent2-plugin-redisjobs
GOBUILD = env CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)'

# Says what is being done while nothing is printed: $(STEP) 'building the plugin' COMMAND
STEP = packaging/step.sh

# For the end-to-end tests.
export REDISJOBS_AGENTS ?= $(CACHE)/agents/agents.txt
export REDISJOBS_SERVERS ?= $(CACHE)/servers/servers.txt
export REDISJOBS_MODULES ?= $(CACHE)/modules/modules.txt
export REDISJOBS_PLUGIN ?= $(CURDIR)/$(PLUGIN)
export REDISJOBS_STORM ?= $(CACHE)/storm/storm.txt
export REDISJOBS_TEST_PLUGIN ?= $(CURDIR)/build/test-plugin
export REDISJOBS_JOB_SYSTEMS ?= $(CACHE)/jobs/systems.txt
export REDISJOBS_PACKAGES ?= $(CACHE)/packages/programs.txt

# Real results only: nothing here takes an earlier run's word for a test against a server or an agent.
# Without debug information: a third less time to link the programs of the tests.
GOTEST = $(GO) test -count=1 -timeout 10m -ldflags=-w $(TESTFLAGS)
# The unit and integration tests wait for servers half of their time.
SIDEBYSIDE = $$((2 * $$(nproc)))
# One line for each package, why tests were skipped, the output of those that failed, and how many of each.
TESTS = build/gotestsum --format pkgname --format-icons text --format-hide-empty-pkg --post-run-command test/summary.sh --raw-command --

.PHONY: build deb package test-package test test-unit test-e2e test-jobs test-storm test-zabbix shop screenshots soak frozen race demo lint generate mutate bench bench-peers bench-zabbix fuzz tidy clean help sdk setup agents servers always

build: $(PLUGIN) ## build the plugin into build/

# The go command knows better than make what has changed.
$(PLUGIN): sdk always
	@$(STEP) 'building the plugin' $(GOBUILD) -o $@ .

build/test-plugin: sdk always ## build the plugin with the keys that break it on purpose (end-to-end tests only)
	@$(STEP) 'building the plugin of the tests' $(GOBUILD) -tags redisjobs_testkeys -o $@ .

build/gotestsum: Makefile | sdk
	@$(STEP) 'building gotestsum' env GOWORK=off GOFLAGS=-mod=mod GOBIN='$(CURDIR)/build' $(GO) install $(GOTESTSUM)

test: setup agents servers $(PLUGIN) build/test-plugin build/gotestsum ## run all tests: unit, integration, end to end
	@both() { \
	    local status=0; \
	    $(GOTEST) -json -p $(SIDEBYSIDE) $$($(GO) list ./... | grep -v '^redisjobs/test/') || status=1; \
	    $(GOTEST) -json -tags e2e -p 1 ./test/... || status=1; \
	    return $$status; \
	  }; export -f both; REDISJOBS_HINTS=0 $(STEP) 'building and running tests' $(TESTS) bash -c both

test-unit: setup servers sdk build/gotestsum ## run the unit and integration tests (real redis-server, no agent)
	@REDISJOBS_HINTS=0 $(STEP) 'building and running tests' $(TESTS) $(GOTEST) -json -p $(SIDEBYSIDE) ./...

test-e2e: setup agents servers $(PLUGIN) build/test-plugin build/gotestsum ## run the tests against real Zabbix agents
	@REDISJOBS_HINTS=0 $(STEP) 'building and running tests' $(TESTS) $(GOTEST) -json -tags e2e -p 1 ./test/...

test-jobs: setup $(PLUGIN) build/gotestsum ## run real job systems and compare their figures with job.get (JOBSFLAGS=-update: write docs/job-systems.md)
	@$(STEP) 'fetching job systems' test/jobs/setup.sh "$$(dirname "$$REDISJOBS_JOB_SYSTEMS")"
	@REDISJOBS_HINTS=0 $(STEP) 'building and running tests' $(TESTS) $(GOTEST) -json -tags jobs -parallel 16 ./test/jobs $(JOBSFLAGS)

test-storm: $(PLUGIN) build/gotestsum ## run a real Storm with a topology that keeps its record in Redis (needs Java and Maven; installs them)
	@$(STEP) 'installing Java and Maven' test/setup.sh maven default-jdk-headless
	@$(STEP) 'fetching Storm' test/storm/fetch.sh "$$(dirname "$$REDISJOBS_STORM")"
	@REDISJOBS_HINTS=0 $(STEP) 'building and running tests' $(TESTS) $(GOTEST) -json -tags storm ./test/storm

test-zabbix: setup agents servers $(PLUGIN) build/gotestsum ## import the templates into real Zabbix servers 6.0 and 7.0 and make every trigger fire
	@$(STEP) 'fetching Zabbix servers' test/zabbix/fetch.sh "$(CACHE)/zabbix"
	@REDISJOBS_HINTS=0 $(STEP) 'building and running tests' $(TESTS) $(GOTEST) -timeout 30m -json -tags zabbix ./test/zabbix $(ZABBIXFLAGS)

shop: setup agents servers $(PLUGIN) ## an hour (SHOPTIME) of ordinary work of five real job systems under Zabbix 7.0, then their deaths
	@test/zabbix/fetch.sh "$(CACHE)/zabbix"
	@test/jobs/setup.sh "$$(dirname "$$REDISJOBS_JOB_SYSTEMS")"
	@$(GO) test -count=1 -timeout 0 -tags zabbix,shop -run '^Test(Shop|ServersAtWork)$$' -v ./test/zabbix -shop $(SHOPTIME)

screenshots: setup agents servers $(PLUGIN) ## draw the dashboards of the templates into docs/images (Zabbix 7.0, chromium; SCREENSHOTFLAGS='-life 10m' for more to show)
	@$(STEP) 'fetching Zabbix servers' test/zabbix/fetch.sh "$(CACHE)/zabbix"
	@$(STEP) 'installing chromium' test/setup.sh chromium
	@$(GO) test -count=1 -timeout 30m -tags zabbix,screenshots -run '^TestScreenshots$$' -v ./test/zabbix $(SCREENSHOTFLAGS)

soak: setup $(PLUGIN) ## inject faults and spoil replies at random for SOAKTIME (10m); `make test` does so for 2 minutes and 20 s
	@REDISJOBS_SOAKTIME=$(SOAKTIME) $(GO) test -count=1 -timeout 0 -tags e2e -run '^TestSoak' -v ./test/faults

frozen: sdk ## run TARGET (test) on a machine that stands still for up to a second now and then, to find fragile tests
	@$(GO) build -buildvcs=false -o build/freeze ./test/cmd/freeze
	@build/freeze $(MAKE) $(TARGET)

race: setup servers sdk ## run the unit and integration tests under the race detector (needs a C compiler)
	@CGO_ENABLED=1 $(GOTEST) -race ./...

demo: setup $(PLUGIN) ## show live items: a real agent, a real Redis, one pool
	@test/demo.sh

lint: sdk ## check formatting, go vet on three systems, staticcheck, shellcheck
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	  [ -z "$$unformatted" ] || { printf 'gofmt -w needed:\n%s\n' "$$unformatted" >&2; exit 1; }
	@for system in linux windows darwin; do \
	  echo "go vet ($$system)"; CGO_ENABLED=0 GOOS=$$system $(GO) vet ./...; done

	@echo "go vet (end-to-end and test builds)"; $(GO) vet -tags e2e,jobs,storm,zabbix,screenshots,shop,redisjobs_testkeys ./...
	@echo "staticcheck"; $(GO) run $(STATICCHECK) ./...; $(GO) run $(STATICCHECK) -tags e2e,jobs,storm,zabbix,screenshots,shop,redisjobs_testkeys ./...
	@if command -v shellcheck >/dev/null; then \
	  echo shellcheck; shellcheck -x -P SCRIPTDIR $$(git ls-files --cached --others --exclude-standard '*.sh' .ci/run); \
	else echo "shellcheck: not installed, not run"; fi

mutate: setup sdk ## change one operator at a time in the packages MUTATE and see whether their tests notice (2 to 10 min each; MUTATE=pool)
	@$(GO) build -buildvcs=false -o build/mutate ./test/cmd/mutate
	@ulimit -v 8000000 2>/dev/null || true; \
	  build/mutate -least '$(MUTATELEAST)' -sample '$(MUTATESAMPLE)' $(MUTATE)

generate: setup servers sdk ## write every generated file: documents, shipped configuration, templates (docs/job-systems.md: make test-jobs)
	@$(GO) generate ./packaging/templates
	@$(GO) test -count=1 ./docs -run 'TestGenerated|TestJobPages|TestDocs/keys' -update
	@$(GO) test -count=1 ./packaging/templates -run 'TestTriggerTexts|TestEveryFigure' -update

RELEASE = $(STEP) 'making packages' $(GO) run ./packaging/release -version '$(VERSION)' -epoch '$(SOURCE_DATE_EPOCH)' -maintainer '$(MAINTAINER)' -nfpm '$(NFPM)'

build/share: sdk always
	@mkdir -p $@
	@$(STEP) 'building the plugin' $(GO) build -buildvcs=false -o build/native .
	@build/native completion bash >$@/completion.bash
	@gzip -9nc packaging/zabbix-agent2-plugin-redisjobs.8 >$@/manual.8.gz
	@# nfpm gives the files in packages, and the scripts in an apk, the times of their files.
	@touch -d '@$(SOURCE_DATE_EPOCH)' $@/* packaging/scripts/*.sh

deb: build/share ## make the deb of this machine's architecture in dist/, and nothing else
	@$(RELEASE) -only-debs
	@ls dist/*.deb

package: build/share ## make the packages, archives, bills of materials and checksums in dist/
	@$(RELEASE)

test-package: package build/gotestsum ## make the packages twice, compare, and run each: deb, rpm and apk in throw-away roots, arm64 and Windows emulated
	@$(STEP) 'installing lintian and rpm' test/setup.sh lintian rpm
	@$(STEP) 'fetching what runs the packages' test/package/fetch.sh "$$(dirname "$$REDISJOBS_PACKAGES")"
	@REDISJOBS_DIST='$(CURDIR)/dist' REDISJOBS_VERSION='$(VERSION)' REDISJOBS_MAINTAINER='$(MAINTAINER)' REDISJOBS_NFPM='$(NFPM)' \
	  REDISJOBS_HINTS=0 $(STEP) 'building and running tests' $(TESTS) $(GOTEST) -json -tags packages ./test/package/... ./packaging/release/...

bench: setup sdk ## run the benchmarks: a fresh connection against the pool, pool, RESP codec, metrics
	@$(GO) test -run '^$$' -bench . -benchmem ./...

bench-peers: setup agents $(PLUGIN) ## measure the plugin beside its peers and write bench/RESULTS.md (11 min; BENCHFLAGS=-short: 2 min)
	@cd bench && $(GO) run . $(BENCHFLAGS)

bench-zabbix: setup agents servers $(PLUGIN) ## measure what a host costs the Zabbix server and its database, and write it into bench/RESULTS.md (80 min)
	@test/zabbix/fetch.sh "$(CACHE)/zabbix"
	@$(GO) test -count=1 -timeout 3h -tags zabbix -run '^TestCost$$' -v ./test/zabbix -cost-hosts 20 -cost-minutes 15 -cost-turns 2 $(BENCHFLAGS)

fuzz: sdk ## run every fuzz target for FUZZTIME (20s)
	@$(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r package name; do \
	  echo "$$package $$name"; \
	  $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

tidy: sdk ## go mod tidy, also where the host of the SDK is out of reach
	@packaging/tidy.sh

clean: ## remove what make builds
	rm -rf build dist

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][^ ]*:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

sdk:
	@GO='$(GO)' $(STEP) 'looking for Go' packaging/go.sh
	@$(STEP) 'getting the Zabbix SDK' packaging/sdk.sh

setup:
	@$(STEP) 'installing what the tests need' test/setup.sh

agents:
	@$(STEP) 'fetching agents' test/agents.sh "$$(dirname "$$REDISJOBS_AGENTS")"

servers:
	@$(STEP) 'fetching servers' test/servers.sh "$$(dirname "$$REDISJOBS_SERVERS")"
	@$(STEP) 'fetching modules' test/modules.sh "$$(dirname "$$REDISJOBS_MODULES")"
