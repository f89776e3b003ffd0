# kerbagent: `make test` is the one test command; `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 10s
LAB_STATE ?= /var/tmp/krb-lab
export LAB_STATE

# The lab needs root (namespaces, port 88) and Debian's packages. LAB=no leaves it out where it could be had.
LAB ?= $(shell [ "$$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release 2> /dev/null && echo yes || echo no)

# The build tags of tests that `make test` leaves to commands of their own: they need large programs of Debian's
# (lab/packages-programs.txt), a booted systemd, or hours.
other_tags = prometheus,browser,awscli,packages,systemd,soak

# The packages with tests that need the lab: with files named lab_test.go or ..._lab_test.go, left out without the tag.
files = {{range .TestGoFiles}}{{$$.ImportPath}} {{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$.ImportPath}} {{.}}{{"\n"}}{{end}}
lab_packages = go list -tags lab -f '$(files)' ./... | sed -n 's/ .*lab_test\.go$$//p' | sort -u
other_packages = go list ./... | grep -vxFf <($(lab_packages))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: test
test: ## all but the tests with commands of their own: the lab is installed and started where it can be (Debian, root), else what is left out is said
	@echo "LEFT OUT, as each has a command of its own: make test-prometheus, test-browser, test-aws, test-systemd, test-packages, soak"
ifeq ($(LAB),yes)
	@$(MAKE) --no-print-directory -j2 --output-sync=target lab-up lint
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory lint-lab test-all
else
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory left-out test-go
endif

.PHONY: left-out
left-out:
	@echo "LEFT OUT, because this is not root on Debian (or LAB=no): the tests against real servers (build tag lab) in"
	@$(lab_packages) | sed 's/^/    /'
	@echo "    and shellcheck of lab/"

.PHONY: lint
# Files with a tag are beside the others, none instead of them: with the tags everything is seen.
lint: ## gofmt, vet, staticcheck, go mod tidy
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt: $$files"; exit 1; }
	@go vet ./...
	@go vet -tags lab,$(other_tags) ./...
	@go run $(STATICCHECK) -tags lab,$(other_tags) ./...
	@go mod tidy -diff
	@echo "ok   gofmt, vet, staticcheck, go mod tidy"

.PHONY: lint-lab
lint-lab: ## shellcheck of the scripts
	@shellcheck lab/lab.sh lab/env.sh lab/bin/*.sh packaging/build.sh packaging/deb/{postinst,prerm,postrm} packaging/rpm/*
	@echo "ok   shellcheck"

.PHONY: fuzz
# On a busy machine Go's fuzzer may end with its own deadline as an error, without an input that fails: that is asked once more.
fuzz: ## each fuzz target for FUZZTIME (10s), two at a time
	@grep -rHoE '^func Fuzz\w+' --include='*_test.go' . | sed -E 's#^(.*)/[^/]*:func (.*)#\1 \2#' | sort | \
	  xargs -P 2 -L 1 bash -c 'for try in 1 2; do \
	    out=$$(go test -run "^$$" -fuzz "^$$1$$" -fuzztime $(FUZZTIME) -parallel 1 "$$0" 2>&1) && { echo "ok   fuzz $$0 $$1"; exit; }; \
	    grep -q "context deadline exceeded" <<< "$$out" && ! grep -q "Failing input" <<< "$$out" || break; \
	  done; echo "$$out"; exit 255'

.PHONY: test-go
test-go: ## the tests that need no lab
	@go test -race -shuffle=on ./...

# Those that need the lab put faults into it: one package at a time, on the client host, never from the cache.
.PHONY: test-lab
test-lab: lab-up ## the tests that need the lab (PACKAGES=... for some)
	@$(lab_test) $(or $(PACKAGES),$$($(lab_packages)))

.PHONY: test-prometheus
test-prometheus: programs lab-up ## dashboards and rules against Debian's Prometheus and Alertmanager, and on the daemon in the lab
	@go test -race -count=1 -tags prometheus ./dashboards
	@$(subst -tags lab,-tags lab$(comma)prometheus,$(lab_test)) -run '^TestPrometheus' ./cmd/kerbagent

.PHONY: test-browser
test-browser: programs ## the status page in Debian's Chromium
	@go test -count=1 -tags browser -run TestBrowser ./internal/web

.PHONY: test-aws
test-aws: programs ## the fake AWS against botocore and the AWS CLI, bootstrap's requests against AWS's API models
	@go test -count=1 -tags awscli ./internal/bootstrap/...

comma := ,
.PHONY: test-systemd
test-systemd: lab-systemd ## the units, in a booted systemd on the lab's network
	@$(subst -tags lab,-tags lab$(comma)systemd,$(lab_test)) ./systemd

.PHONY: test-packages
test-packages: programs lab-systemd ## deb and rpm: built twice, judged, installed, upgraded, removed
	@go test -count=1 -timeout 30m -tags packages ./packaging

.PHONY: screenshots
screenshots: programs ## docs/img anew
	@go test -count=1 -tags browser -run 'TestBrowserEachRung/^(healthy|kdc-tcp-blocked)$$' ./internal/web -args -screenshots $(CURDIR)/docs/img

.PHONY: packages
packages: ## deb and rpm for amd64 and arm64, in dist/
	@packaging/build.sh dist

.PHONY: programs
programs:
	@lab/lab.sh install programs

.PHONY: lab-systemd
lab-systemd: lab-up
	@lab/lab.sh extra systemd

lab_test = go test -race -shuffle=on -count=1 -timeout 30m -p 1 -tags lab -exec 'ip netns exec lab-cl'

.PHONY: test-all
test-all:
	@rc=0; \
	go test -race -shuffle=on -timeout 20m $$($(other_packages)) || rc=1; \
	$(lab_test) $$($(lab_packages)) || rc=1; \
	exit $$rc

.PHONY: lab-up
lab-up: ## install what the lab needs, and start it; its state is kept in LAB_STATE
	@lab/lab.sh install
	@lab/lab.sh up

.PHONY: lab-down
lab-down: ## stop the lab; its state stays
	@lab/lab.sh down

.PHONY: bench
bench: programs lab-up ## kerbagent against the guide by hand, kinit + mariadb, and the blackbox exporter
	@lab/lab.sh bench

# How long the daemon is soaked, and how often check is asked: healthy a hundred times, then every fault made, found and healed.
SOAK ?= 1h
SOAK_ROUNDS ?= 10
lab_soak = -timeout 0 -p 1 -v -exec 'ip netns exec lab-cl'
.PHONY: soak
soak: lab-up ## every fault under a running daemon, the daemon at 100 times its rate for SOAK (1h), check for SOAK_ROUNDS (10)
	@SOAK=$(SOAK) go test -count=1 -tags lab,soak -run '^TestSoak' $(lab_soak) ./internal/agent
	@go test -count=$(SOAK_ROUNDS) -tags lab -run '^TestLab' $(lab_soak) ./cmd/kerbagent
