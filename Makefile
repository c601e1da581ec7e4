# What a laptop runs is what CI runs. `make` alone lists the targets.

.DEFAULT_GOAL := help
SHELL := bash

# The race detector needs a C compiler; without one the tests run without it, and say so. It is not to watch SQLite, which is C put into Go: what that
# does with its own memory is nothing that a race of ours could be seen in, and watching it takes most of the time of tests with books.
RACE := $(shell command -v $${CC:-gcc} >/dev/null && echo -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The console is built where Node is, 20.19 or later; without it the binary says at /console/ how to.
WEB := console/web
NODE := $(shell command -v npm >/dev/null && node -p '(([a, b]) => a > 20 || a == 20 && b >= 19 ? "new" : "old")(process.versions.node.split("."))')
ifeq ($(NODE),new)
CONSOLE := console
endif

SITE := console/dist/site/index.html
LOCK := $(WEB)/node_modules/.package-lock.json

.PHONY: console
console: $(SITE) ## build the console, which the binary embeds

# Says nothing unless it fails.
QUIETLY = { out=$$($(1) 2>&1) || { echo "$$out"; exit 1; }; }

$(SITE): $(LOCK) api/openapi.yaml $(shell find $(WEB) -path '*/node_modules' -prune -o -type f ! -name '*.gen.ts' ! -path '*/tests/*' ! -path '*/screenshots/*' ! -path '*/test-results/*' -print)
	@cd $(WEB) && $(call QUIETLY,npm run build)

$(LOCK): $(WEB)/package-lock.json
	@cd $(WEB) && $(call QUIETLY,npm ci --no-audit --no-fund) && touch node_modules/.package-lock.json

.PHONY: screenshots
screenshots: build ## pictures of every view of the console, in console/web/screenshots
	cd $(WEB) && npm run --silent screenshots

.PHONY: paint
paint: build ## how soon the console's overview is seen, in a small table
	cd $(WEB) && npm run --silent paint

.PHONY: browser
browser: build ## the console's tests, in Chromium
	@if [ -z "$(CONSOLE)" ]; then echo "NO NODE, or one before 20.19: the console was neither built nor tested"; \
	elif [ ! -x /usr/bin/chromium ]; then echo "NO CHROMIUM: the console was built, but not tried (apt-get install chromium)"; \
	else cd $(WEB) && npm run --silent test; fi

.PHONY: build
build: $(CONSOLE) ## build bin/farebox
	go build -o bin/farebox ./cmd/farebox

.PHONY: demo
demo: build ## watch tokens being charged
	bin/farebox demo

.PHONY: test
test: format vet staticcheck unit browser vulnerabilities ## everything that must pass

.PHONY: format
format: ## fail where gofmt would change something
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }

.PHONY: vet
vet: ## go vet
	go vet ./...

.PHONY: staticcheck
staticcheck: ## staticcheck, as pinned in go.mod
	go tool staticcheck ./...

# Tests that compare long single-minded computations find no races that others do not, and the race detector makes them several times as
# slow. They run without it, as does the black box, which tries the binary that people run; what is about many at once runs with it.
PLAIN := ^(Fuzz(Fields|Bodies)$$|Test(Store$$|PowerCutAtAnyChange|AlertsSayWhatTheForecastSays|QuoteIsWhatAChargeWouldBe|StatementsAgreeWithTheBooks|UsageAgreesWithSQL|UsageWhereverFoldingStops|RetentionChangesNothingElse|RangesHoldAboutAsOftenAsTheySay|AgainstReference|EngineAgreesWithTwin|HoldsAgreeWithTwin|StoresAgree|MemoryChangesNothing|NothingIsPassed|SessionsAreAccountedFor|SimulationRepeats|ManyGroupsAtManyPrices|TooManyGroups|KeysAreBounded|ParquetHasEveryColumn|LeasesAtRandom|OverviewSaysWhatBalances|RecentReceiptsAreTheRecord))
# Of these a part is tried with the race detector, too.
PARTLY := FuzzRequests|NoRouteReaches|EveryDocumentedAnswer|TestSimulation$$

# -count=1: some tests build and run the binary, of which go's cache of test results knows nothing. -vet: all of it was done by the target vet. -p: one
# package more than there are processors, since tests also wait, for disks most of all.
GOTEST := go test -count=1 -vet=off -p $$(($$(getconf _NPROCESSORS_ONLN) + 1))

.PHONY: unit
unit: ## all tests, the README's tour among them
	@[ -n "$(RACE)" ] || echo "NO C COMPILER: the tests run without the race detector"
	$(GOTEST) $(RACE) -timeout 20m -skip '$(PLAIN)' $$(go list ./... | grep -v -e /test/rules$$ -e /test/blackbox$$ -e /store/move$$)
	$(GOTEST) $(RACE) -run 'TestStore/(Concurrency|Handles)' ./store/sqlite ./store/postgres
	$(GOTEST) $(RACE) -run 'NeverOverspend|ServersShare|Stop' ./test/blackbox
	$(GOTEST) -timeout 20m -run '$(PLAIN)|$(PARTLY)' ./test/audit ./engine ./export ./forecast ./formula ./server ./store/sqlite ./store/postgres ./usage
	$(GOTEST) -timeout 20m ./test/blackbox ./test/rules ./store/move
	@# What is skipped go test tells only when asked.
	@! go test -count=1 -v -run ThereIsPostgreSQL ./test/cluster | grep -q 'NO POSTGRESQL' || \
	  echo "NO POSTGRESQL: the tests that need it were NOT run. Install PostgreSQL 15 or later (apt-get install postgresql), or set FAREBOX_TEST_POSTGRES"

.PHONY: vulnerabilities
vulnerabilities: ## govulncheck, where its database can be reached
	@if go run ./test/reachable https://vuln.go.dev/index/db.json 2>/dev/null; then go tool govulncheck ./...; \
	else echo "THE VULNERABILITY DATABASE CANNOT BE REACHED: govulncheck was not run"; fi

.PHONY: bench
bench: ## the benchmarks behind docs/BENCHMARKS.md
	go test -run '^$$' -bench . -benchmem ./...

PIECES = '^Benchmark(Price|Decide|Authenticate|RequestJSON|AnswerJSON|ReceiptJSON|Commit|NewBucket)$$'

.PHONY: benchstat
benchstat: ## medians of what a charge is made of, in bench.txt; BEFORE=old.txt compares
	go test -run '^$$' -bench $(PIECES) -benchmem -count 6 ./ledger ./auth ./server ./usage ./store/sqlite >bench.txt
	go tool benchstat $(BEFORE) bench.txt

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 20s)
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $${FUZZTIME:-20s} -fuzzminimizetime 1s $$pkg || exit 1; \
	  done; \
	done

.PHONY: simulate
simulate: ## simulated histories with fresh seeds for SIMULATE (default 10m), on each store
	FAREBOX_AUDIT_STEPS=150 FAREBOX_SIMULATE=$${SIMULATE:-10m} go test -count=1 -timeout 0 -run '^TestSimulation$$' -v ./test/audit

.PHONY: histories
histories: ## HISTORIES (default 200) fresh random histories of each kind, on each store, judged by the auditors
	FAREBOX_AUDIT_CHECKS=$${HISTORIES:-200} go test -count=1 -timeout 0 -skip '^TestSimulation' ./test/audit

.PHONY: crash
crash: ## CRASHES (default 200) kills under load on each store, and a power cut at every change of the files
	FAREBOX_CRASHES=$${CRASHES:-200} go test -count=1 -timeout 0 -run '^TestKilledUnderLoad(OnPostgres)?$$' -v ./test/blackbox
	FAREBOX_EVERY_CHANGE=1 go test -count=1 -timeout 0 -run '^TestPowerCutAtAnyChange$$' -v ./store/sqlite

.PHONY: postgres
postgres: ## the whole of the server's tests with their books in PostgreSQL
	FAREBOX_TEST_STORE=postgres FAREBOX_TEST_POSTGRES_REQUIRED=1 go test $(RACE) -count=1 -timeout 90m ./server

.PHONY: prove
prove: ## break every promise on purpose, and expect its test to fail
	go run ./test/prove
