# Every target that CI needs is a line here; the work itself is in scripts/.
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
GOTOOL   := go tool -modfile=tools/go.mod
BENCH    ?= .
ARGS     ?=

# The product and its tests need no C compiler; only the race detector does.
export CGO_ENABLED := 0

.DEFAULT_GOAL := help
.PHONY: help build test unit postgres walks soak fight race lint vuln fmt bench bench-edi docs demo screenshot clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/waybill, static and reproducible
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/waybill ./cmd/waybill

test: ## Run everything CI runs: format, vet, tests, race detector, lint, vulnerabilities
	@scripts/test.sh

unit: ## Run the tests only (ARGS='-run Hold ./internal/process')
	go test -timeout 10m $(or $(ARGS),./...)

postgres: ## Run the black-box tests on a throw-away PostgreSQL (ARGS='./test/contract')
	scripts/postgres.sh with go test -count=1 -timeout 10m $(or $(ARGS),./test/contract)

walks: ## Walk the process at random, with a new seed each time (CHECKS=20000)
	go test ./internal/process -run 'Walk|Property' -timeout 60m -rapid.seed=$$(date +%s) -rapid.checks=$(or $(CHECKS),20000)

soak: ## Simulate many runs, each from a seed of its own (SEEDS=100000 SEED=1)
	go run ./cmd/waybill sim --seeds $(or $(SEEDS),100000) --seed $(or $(SEED),1) --json

fight: ## Let replicas of the real binary be killed and stopped on one PostgreSQL (EVENTS=100 REPLICAS=3)
	go test ./cmd/waybill -run TestF43_ReplicasFight -count=1 -v -timeout 60m \
		-fight.events=$(or $(EVENTS),100) -fight.replicas=$(or $(REPLICAS),3)

race: ## Run the concurrent packages under the race detector
	@scripts/race.sh

lint: ## Run golangci-lint, pinned in tools/go.mod
	$(GOTOOL) golangci-lint run ./...

vuln: ## Look the dependencies up in the Go vulnerability database
	@scripts/vuln.sh

fmt: ## Format all Go files
	gofmt -w .

bench: ## Measure orders per second, CPU, commits, bytes and allocations per order (BENCH=regexp)
	go test ./cmd/waybill -run '^$$' -bench '$(BENCH)' -skip EDIRead -benchtime 5000x
	go test -run '^$$' -bench '$(BENCH)' -skip Read850 -benchmem $$(go list ./... | grep -v cmd/waybill)

bench-edi: ## Measure reading 50 MB of 850s beside node-x12 and a bare loop, and the memory of 50 and 500 MB
	scripts/install-test-deps.sh
	go test ./connector/edi -run '^$$' -bench Read850 -benchtime 6x
	go test ./cmd/waybill -run '^$$' -bench EDIRead -benchtime 1x

bench-peers: ## Run one flow on Waybill and its peers, into docs/performance.md (ARGS='-orders 500 -runs 1')
	cd bench && go run . -out ../docs/performance-peers.json -doc ../docs/performance.md -chart ../docs/images/performance-peers.svg $(ARGS)

docs: ## Write docs/reference/ and the published schemas from the program itself
	go run ./cmd/waybill schema publish internal/schema/published
	go run ./cmd/waybill docs docs/reference

demo: ## Run Waybill with simulated systems and show orders flowing (ARGS=flags)
	go run ./cmd/waybill demo $(ARGS)

screenshot: build ## Take the picture of the README from a running demo
	@scripts/readme-picture.sh

clean: ## Delete what was built
	rm -rf bin
