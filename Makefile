# kerbagent: `make test` is the one test command; `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 10s
# A second lab beside the first has another LAB_NAME.
LAB_NAME ?= lab
LAB_STATE ?= /var/tmp/krb-$(LAB_NAME)
export LAB_NAME LAB_STATE

# The lab needs root with the right to make namespaces, and Debian's packages; NO_LAB says why it cannot be had here.
# LAB=no leaves it out where it could.
NO_LAB := $(shell lab/bin/possible.sh)
LAB ?= $(if $(NO_LAB),no,yes)
# The race detector needs a C compiler.
RACE := $(shell $(or $(CC),cc) --version > /dev/null 2>&1 && echo -race)

# The build tags of tests that `make test` leaves to commands of their own: they need large programs of Debian's
# (lab/packages-programs.txt), a booted systemd, or hours.
other_tags = prometheus,browser,awscli,packages,release,systemd,soak,hostile,conversations

# The packages with tests that need the lab: with files named lab_test.go or ..._lab_test.go, left out without the tag.
lab_files = {{range .TestGoFiles}}{{$$.ImportPath}} {{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$.ImportPath}} {{.}}{{"\n"}}{{end}}
lab_packages = go list -tags lab -f '$(lab_files)' ./... | sed -n 's/ .*lab_test\.go$$//p' | sort -u
# Of those, the tests in these files: all others run without the lab.
lab_tests = ^($$(grep -rhoE '^func (Test|Example)\w+' --include='*lab_test.go' . | sed 's/^func //' | sort -u | paste -sd'|'))$$

gotest = go run ./lab/gotest
lab_up = .ci/progress "installing what the lab needs" lab/lab.sh install && .ci/progress "starting the lab" lab/lab.sh up

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: test
test: left-out gotest ## the tests; the lab is installed and started where it can be (Debian, root), else what is left out is said
ifeq ($(LAB),yes)
	@{ $(lab_up) && $(second_lab) lab-up; } & lab=$$!; rc=0; \
	  .ci/progress "building" go build $(RACE) ./... || rc=1; \
	  $(test_go) || rc=1; \
	  wait $$lab || exit 1; \
	  $(lab_test) $$($(lab_packages) | grep -vE '$(in_second)') & first=$$!; \
	  $(second_lab) test-lab PACKAGES="$$($(lab_packages) | grep -E '$(in_second)' | xargs)" || rc=1; \
	  wait $$first || rc=1; exit $$rc
else
	@$(test_go)
endif

.PHONY: left-out
left-out:
	@echo "LEFT OUT, as each has a command of its own: make lint, fuzz, test-prometheus, test-browser, test-aws, test-systemd, test-packages, test-release, test-kubernetes, soak"
ifneq ($(LAB),yes)
	@echo "LEFT OUT, because $(or $(NO_LAB),LAB=$(LAB)): the tests against real servers (build tag lab) in"
	@$(lab_packages) | sed 's/^/    /'
endif
ifeq ($(RACE),)
	@echo "LEFT OUT, because there is no C compiler: the race detector"
endif

.PHONY: test-quick
test-quick: gotest ## the tests that need no lab, without the race detector: no root, three minutes
	@$(gotest) -p 3 -parallel 4 ./...

.PHONY: gotest
gotest:
	@.ci/progress "building what prints the tests' results" go build -o /dev/null ./lab/gotest

# What needs no lab runs while the lab is installed, and before the lab's own tests: beside them both would be starved of two
# cores, and a starved server of a test looks like a dead one. The lab's tests mostly wait: half of them have a second lab.
# Most of the time is waiting for answers: hence more packages and tests at once than a small machine has cores.
test_go = { rc=$${rc:-0}; $(gotest) $(plain) -p 1 -parallel 4 -run '$(repeated)' ./internal/bootstrap ./internal/daemon ./internal/rehearsal || rc=1; \
  $(gotest) $(plain) -shuffle=on $(addprefix ./,$(alone)) || rc=1; \
  $(gotest) $(RACE) $(plain) -shuffle=on -p 3 -parallel 4 -timeout 45m -skip '$(repeated)' $(addprefix ./,$(long)) $(others) || rc=1; [ $$rc = 0 ]; }
# Nothing in these starts a goroutine, as internal/layers holds: the race detector would see nothing in them, and makes them take up to
# ten times as long.
alone = internal/diagnose internal/keeper internal/layers internal/lint internal/plan krb5/conf/reader
# These come first: else the last of them would have the machine to itself in the end.
long = cmd/kerbagent internal/bootstrap internal/rehearsal internal/daemon internal/web internal/check
others = $$(go list ./... | grep -vE "/($$(tr ' ' '|' <<< '$(alone)'))$$")
# These take the same steps hundreds of times, or have thousands of jobs, or play hours. The race detector, which makes their XML and JSON ten times
# as slow, has watched those steps in the package's other tests: it would cost minutes here and see nothing new. One package at a time,
# since what is played has deadlines.
repeated = ^(Test(Client)?KilledAtEveryCall|TestProcessKilled|TestRunGrows|TestDrawnFaults|TestAHealthyHourHasNoFinding|TestLossIsOneFindingThatStays)$$
# `make lint` vets, with all tags; and no test needs DWARF, which takes the linker a quarter of its time in each of 70 binaries.
plain = -vet=off -ldflags=-w

.PHONY: lint
# Files with a tag are beside the others, none instead of them: with the tags everything is seen.
lint: ## gofmt, vet, staticcheck, go mod tidy, shellcheck
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt: $$files"; exit 1; }
	@.ci/progress "go vet" go vet ./...
	@.ci/progress "go vet with all build tags" go vet -tags lab,$(other_tags) ./...
	@.ci/progress staticcheck go run $(STATICCHECK) -tags lab,$(other_tags) ./...
	@GOOS=darwin GOARCH=arm64 .ci/progress "go build for darwin" go build -o /dev/null ./cmd/kerbagent
	@.ci/progress "go mod tidy" go mod tidy -diff
	@.ci/progress "go mod verify" go mod verify
	@.ci/progress "the modules of packaging" bash -euc 'for m in packaging/image packaging/kubernetes/strict; do \
	  go vet -C $$m ./...; go mod tidy -C $$m -diff; done'
	@echo "ok   gofmt, vet, staticcheck, go mod tidy"
	@if command -v shellcheck > /dev/null; then shellcheck $(scripts) && echo "ok   shellcheck"; \
	  else echo "LEFT OUT, because it is not installed: shellcheck"; fi

scripts = .ci/run .ci/progress lab/lab.sh lab/env.sh lab/bin/*.sh packaging/build.sh packaging/release.sh packaging/deb/{postinst,prerm,postrm} packaging/rpm/*

.PHONY: fuzz
# On a busy machine Go's fuzzer may end with its own deadline as an error, without an input that fails: that is asked once more.
fuzz: ## each fuzz target for FUZZTIME (10s), two at a time
	@grep -rHoE '^func Fuzz\w+' --include='*_test.go' . | sed -E 's#^(.*)/[^/]*:func (.*)#\1 \2#' | sort | \
	  .ci/progress fuzz xargs -P 2 -L 1 bash -c 'for try in 1 2; do \
	    out=$$(go test -run "^$$" -fuzz "^$$1$$" -fuzztime $(FUZZTIME) -parallel 1 "$$0" 2>&1) && { echo "ok   fuzz $$0 $$1"; exit; }; \
	    grep -q "context deadline exceeded" <<< "$$out" && ! grep -q "Failing input" <<< "$$out" || break; \
	  done; echo "$$out"; exit 255'

# Those that need the lab put faults into it: one package at a time, on the client host, never from the cache.
.PHONY: test-lab
test-lab: gotest lab-up ## the tests that need the lab (PACKAGES=... for some)
	@$(lab_test) $(or $(PACKAGES),$$($(lab_packages)))

.PHONY: hostile
hostile: ## hostile peers and users against real processes: attack, bound, measured
	@go test -count=1 -v -tags hostile -run '^TestHostile$$' ./cmd/kerbagent | sed -n '/^hostile /,/^---/p;/^FAIL/p;/^ok/p'; exit $${PIPESTATUS[0]}

# Whole conversations with peers that answer with changed replies, each for LIE_FOR.
LIE_FOR ?= 1h
.PHONY: liars
liars: ## peers that lie at each step of check, run, the connector and bootstrap's LDAP, for LIE_FOR (1h) each
	@for what in ./mysql/kerberos:Connector ./internal/rehearsal:Check ./internal/rehearsal:Run ./internal/bootstrap/aduser:Directory; do \
	  go test -count=1 -timeout 0 -tags conversations -run "$${what#*:}AmongLiars" -v "$${what%:*}" -lie-for $(LIE_FOR); done

.PHONY: test-prometheus
test-prometheus: programs lab-up ## dashboards and rules against Debian's Prometheus and Alertmanager, and on the daemon in the lab
	@go test -race -count=1 -timeout 30m -tags prometheus ./dashboards
	@$(gotest) $(RACE) $(subst -tags lab,-tags lab$(comma)prometheus,$(lab_go)) -run '^TestPrometheus' ./cmd/kerbagent

.PHONY: test-browser
test-browser: programs ## the status page in Debian's Chromium
	@go test -count=1 -tags browser -run TestBrowser ./internal/web

.PHONY: test-aws
test-aws: programs ## the fake AWS against botocore and the AWS CLI, bootstrap's requests against AWS's API models
	@go test -count=1 -timeout 45m -tags awscli ./internal/bootstrap/... ./internal/awsview

comma := ,
.PHONY: test-systemd
test-systemd: lab-systemd ## the units, and the examples of provisioning, in a booted systemd on the lab's network
	@$(gotest) $(RACE) $(subst -tags lab,-tags lab$(comma)systemd,$(lab_go)) ./systemd

.PHONY: test-packages
test-packages: programs lab-systemd ## deb and rpm: built twice, judged, installed, upgraded, removed
	@go test -count=1 -timeout 30m -tags packages ./packaging

.PHONY: test-release
test-release: gotest lab-systemd ## make release: twice the same, signed, installed by apt, dnf, crun and Ansible
	@.ci/progress "installing what a release needs" lab/lab.sh install release
	@$(gotest) -count=1 -timeout 60m -tags release ./packaging

.PHONY: test-kubernetes
test-kubernetes: gotest ## the manifests, strictly decoded by Kubernetes' own types
	@go test -C packaging/kubernetes/strict -count=1 .

.PHONY: screenshots
screenshots: programs ## docs/img anew
	@go test -count=1 -tags browser -run 'TestBrowserEachRung/^(healthy|kdc-tcp-blocked)$$' ./internal/web -args -screenshots $(CURDIR)/docs/img

.PHONY: packages
packages: ## deb, rpm and tar.gz for amd64 and arm64, in dist/
	@packaging/build.sh dist

# The module goes with the sources: it is compiled on the host, or here.
SELINUX_DIR ?= dist/selinux
.PHONY: selinux
selinux: ## the SELinux module of the daemon, in dist/selinux (Debian's checkpolicy, semodule-utils)
	@mkdir -p $(SELINUX_DIR)
	@checkmodule -M -m -o $(SELINUX_DIR)/kerbagent.mod packaging/selinux/kerbagent.te
	@semodule_package -o $(SELINUX_DIR)/kerbagent.pp -m $(SELINUX_DIR)/kerbagent.mod -f packaging/selinux/kerbagent.fc

.PHONY: release
release: ## all that a release page needs, in dist/: packages, SBOMs, apt and dnf trees, image, sums; signed by KEY=FILE
	@packaging/release.sh dist

.PHONY: programs
programs:
	@lab/lab.sh install programs

.PHONY: lab-systemd
lab-systemd: lab-up
	@.ci/progress "installing what the container's tests need" lab/lab.sh install systemd
	@lab/lab.sh extra systemd

second_lab = $(MAKE) --no-print-directory LAB_NAME=$(LAB_NAME)b LAB_STATE=$(LAB_STATE)b
# So that both take the same time.
in_second = /internal/(audit|bootstrap|daemon|keeper|lint)|/krb5/conf/reader

on_client = -exec 'ip netns exec $(LAB_NAME)-cl'
lab_go = -shuffle=on -parallel 4 -count=1 -timeout 30m -p 1 -tags lab $(on_client)
lab_test = $(gotest) $(RACE) $(plain) $(lab_go) -run "$(lab_tests)"

.PHONY: lab-up
lab-up: ## install what the lab needs, and start it; its state is kept in LAB_STATE
	@$(lab_up)

.PHONY: lab-down
lab-down: ## stop the lab, and the second one of `make test`; their state stays
	@lab/lab.sh down
	@LAB_NAME=$(LAB_NAME)b LAB_STATE=$(LAB_STATE)b lab/lab.sh down

# Several labs share the sets: LABS="lab lab2" takes half the time.
LABS ?= $(LAB_NAME)
.PHONY: verdict
verdict: lab-up ## N=100 sets of faults, drawn by SEED, held against what kinit, kvno and mariadb get; LABS="lab lab2"
	@for l in $(filter-out $(LAB_NAME),$(LABS)); do LAB_NAME=$$l LAB_STATE=/var/tmp/krb-$$l lab/lab.sh up; done
	@go build -o $(LAB_STATE)/bin/kerbagent ./cmd/kerbagent
	@go run ./lab/verdict -n $(or $(N),100) $(if $(SEED),-seed $(SEED)) -labs "$(LABS)" -kerbagent $(LAB_STATE)/bin/kerbagent

.PHONY: bench
bench: programs lab-up ## kerbagent against the guide by hand, kinit + mariadb, and the blackbox exporter
	@lab/lab.sh bench

.PHONY: bench-fleet
bench-fleet: ## what 2,000 and 10,000 hosts ask of each server: always, when all start or reload at once, when a controller dies
	@for hosts in 2000 10000; do go test -count=1 -v -run '^TestFleet$$' ./internal/plan -fleet $$hosts | sed -n 's/^ *fleet_test.go:[0-9]*: //p;/^--- FAIL/p;/^FAIL/p'; done

.PHONY: bench-prometheus
bench-prometheus: programs ## Debian's Prometheus with 500 hosts: memory, CPU, samples a second, rules, each dashboard's slowest query
	@go test -count=1 -v -tags prometheus -timeout 30m -run '^TestPrometheusFleet$$' ./dashboards -fleet-hosts 500 -fleet-every 15s -fleet-for 4m | \
	  sed -n 's/^ *fleet_prometheus_test.go:[0-9]*: //p;/^--- FAIL/p;/^FAIL/p'

# How long the daemon is soaked, and how often check is asked: healthy a hundred times, then every fault made, found and healed.
SOAK ?= 1h
SOAK_ROUNDS ?= 10
lab_soak = -timeout 0 -p 1 -v $(on_client)
.PHONY: soak
soak: lab-up ## every fault under a running daemon, the daemon at 100 times its rate for SOAK (1h), check for SOAK_ROUNDS (10)
	@SOAK=$(SOAK) go test -count=1 -tags lab,soak -run '^Test(Soak.*|Harm)$$' $(lab_soak) ./internal/daemon
	@go test -count=$(SOAK_ROUNDS) -tags lab -run '^TestLab' $(lab_soak) ./cmd/kerbagent
