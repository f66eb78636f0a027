# What one does in this repository; `make help` lists it. Needs Go 1.26 and git,
# and gcc for the race detector and for USB.

# Go is often unpacked into /usr/local/go without being put on the PATH.
export PATH := $(PATH):/usr/local/go/bin

# gousb asks pkg-config for libusb. Without either, the part that speaks USB is
# left out (build tag nousb); serial instruments do not need it.
TAGS := $(shell pkg-config --exists libusb-1.0 2>/dev/null || echo nousb)

# Git does not tell the commit of a checkout that belongs to somebody else, and go
# build stops there unless told not to ask.
ifeq ($(shell git rev-parse HEAD 2>/dev/null),)
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)
endif

BUILD = go build -tags "$(TAGS)"

# The lists of packages may be narrowed by hand: make go-test PKGS=./device/...
PKGS       ?= ./...
BENCH_PKGS ?= $(shell grep -rl '^func Benchmark' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
FUZZTIME   ?= 30s
RESIDENT   ?= 10m

# Holds staticcheck v0.8.2, among others; .golangci.yml says which are used.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.NOTPARALLEL:
.PHONY: help demo build test checks deps usb format vet generated cross dist go-test vm chaos lint bench bench-page fuzz install-udev uninstall-udev clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: usb ## simulated instruments, gateway, receiver and files in one go; ARGS="--for 3s" is handed on
	@echo "building bin/photongate, bin/photonrecv and bin/photonsim (the first time takes a minute or two)"
	@$(BUILD) -o bin/ ./cmd/photon*
	@./bin/photongate demo $(ARGS)

build: usb ## photongate, photonrecv and photonsim into bin/
	$(BUILD) -o bin/ ./cmd/photon*

test: deps ## everything that is checked, after installing what the tests need
	@$(MAKE) --no-print-directory checks

checks: usb format vet generated cross go-test

deps:
	@.ci/deps

usb:
	@test -z "$(TAGS)" || echo "libusb headers not found: building without USB (serial instruments work; for USB: apt-get install libusb-1.0-0-dev pkg-config)"

format: ## are all Go files as gofmt writes them
	@echo "gofmt"
	@unformatted="$$(gofmt -l .)"; test -z "$$unformatted" || \
		{ echo "not as gofmt writes them (gofmt -w mends it):"; echo "$$unformatted"; exit 1; }

vet: ## go vet
	@echo "go vet"
	@go vet -tags "$(TAGS)" $(PKGS)

generated: ## are the generated files up to date
	@echo "go generate"
	@.ci/generated

cross: ## binaries for other machines into dist/: Pi (arm, arm64), Linux, Windows, macOS
	@.ci/cross

dist: ## archives to hand out, with checksums, into dist/; TARGETS=linux-arm64 narrows them
	@.ci/dist

go-test: ## go test, with the race detector and a list of what was skipped
	@race=; case "$$(go env CGO_ENABLED) $$(go env GOARCH)" in \
		"1 amd64" | "1 arm64") race=-race;; \
		*) echo "no race detector: it needs gcc and an amd64 or arm64 machine";; \
	esac; \
	go run ./cmd/internal/testlog $$race -timeout 20m -tags "$(TAGS)" $(PKGS)

vm: ## tests of USB on a real kernel, in a virtual machine that is thrown away; fetches QEMU and Debian's kernel the first time
	@echo "USB on a real kernel"
	@.ci/vm

chaos: usb ## break everything there is a promise for and print what was seen; up to an hour. SHORT=1: minutes. FAULTS=F13,F20 picks, LIMIT=30m bounds, RACE=1, ARGS=--markdown or --json
	@go run ./cmd/internal/campaign -tags "$(TAGS)" $(if $(SHORT),--short) $(if $(RACE),--race) $(if $(FAULTS),--faults $(FAULTS)) $(if $(LIMIT),--limit $(LIMIT)) $(ARGS)

lint: ## staticcheck and other linters, go.mod; fetches and builds them the first time
	@echo "golangci-lint"
	@go run $(GOLANGCI) run --build-tags "$(TAGS)" $(PKGS)
	@echo "go mod tidy"
	@go mod tidy -diff

bench: ## benchmarks, each beside its floor; BENCH_PKGS=./protocol narrows them. RESIDENT=20s shortens the ten minutes of one
	@mkdir -p bin
	@{ PHOTONGATE_BENCH_RESIDENT=$(RESIDENT) go test -tags "$(TAGS)" -p 1 -run '^$$' -bench . -benchmem -timeout 1h $(BENCH_PKGS); echo $$? > bin/bench.status; } | tee bin/bench.txt; exit $$(cat bin/bench.status)

bench-page: ## BENCHMARKS.md and its plot, from what make bench printed last
	go run ./cmd/internal/benchpage bin/bench.txt

fuzz: ## every fuzz target for FUZZTIME (30s)
	@grep -rn '^func Fuzz' --include='*_test.go' . | \
		sed -E 's|^(.*)/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | \
		while read -r dir target; do \
			echo "$$dir $$target"; \
			go test -tags "$(TAGS)" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir" || exit 1; \
		done

# Where udev finds the rules of this computer; a package has them in lib/udev/rules.d.
UDEVDIR ?= /etc/udev/rules.d

install-udev: ## who sits here, or is in plugdev, may open the instruments (Linux; with sudo)
	install -D -m 644 -t "$(DESTDIR)$(UDEVDIR)" udev/*.rules
	@test -n "$(DESTDIR)" || ! command -v udevadm >/dev/null || \
		{ udevadm control --reload; udevadm trigger --subsystem-match=usb --subsystem-match=tty; }

uninstall-udev: ## take the rules away again (with sudo)
	rm -f $(patsubst udev/%,"$(DESTDIR)$(UDEVDIR)"/%,$(wildcard udev/*.rules))
	@test -n "$(DESTDIR)" || ! command -v udevadm >/dev/null || udevadm control --reload

clean: ## remove what was built
	rm -rf bin dist
