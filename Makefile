# Moneyer's commands. Each installs what it needs and does not find, or says what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
DAEMONS := --package moneyer --package moneyer-runner-proxy --bins

# josekit's OpenSSL: Debian's where its headers are, built from source where they are not.
VENDORED := moneyer/vendored-openssl,moneyer-runner-proxy/vendored-openssl
ifeq ($(shell pkg-config --exists openssl 2>/dev/null && echo found),)
OPENSSL = --features $(VENDORED)
SAY_OPENSSL = @echo 'no OpenSSL headers (libssl-dev, pkg-config): building OpenSSL from source, some minutes more'
endif

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY_ROOT := .tools/cargo-deny-$(CARGO_DENY_VERSION)
CARGO_DENY := $(CARGO_DENY_ROOT)/bin/cargo-deny

.PHONY: help run demo test interop lint bench soak fuzz

help: ## Show this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST)

run: ## Start a coordinator and a runner proxy with one sandbox, in .dev
	$(SAY_OPENSSL)
	cargo build --profile quick --locked $(DAEMONS) $(OPENSSL)
	$(TARGET)/quick/moneyer dev --dir .dev

demo: ## Run the two token demos on this machine: alpha and beta see who calls, and on whose behalf
	.ci/packages build-essential nodejs curl
	$(SAY_OPENSSL)
	cargo build --profile quick --locked $(DAEMONS) $(OPENSSL)
	deploy/demo/run.sh $(TARGET)/quick

test: ## Run everything a fresh machine can run, verifiers by others included
	.ci/packages build-essential pkg-config libssl-dev python3-venv nodejs npm libfaketime age e2fsprogs mount postgresql pgbouncer softhsm2 opensc
	# All targets at once, so that the tests' features and the daemons' are built once, not twice.
	cargo build --workspace --all-targets --locked
	cargo test --workspace --locked
	deploy/interop/run.sh $(TARGET)/debug

interop: ## Try go-spiffe and a Kubernetes API server, which are built from source, ten minutes the first time
	.ci/packages build-essential pkg-config libssl-dev python3-venv nodejs npm etcd-server
	cargo build --workspace --all-targets --locked
	program=$$(deploy/interop/go_spiffe/build.sh); \
	MONEYER_GO_SPIFFE=$$program deploy/interop/run.sh $(TARGET)/debug tests_go_spiffe
	program=$$(deploy/interop/kubernetes/build.sh); \
	MONEYER_KUBE_APISERVER=$$program deploy/interop/run.sh $(TARGET)/debug tests_kubernetes

soak: ## Run faults for hours: 1,000 kills and rotations, 500 losses of power, an end at every write, ten minutes of outage and of rotation, 10,000 requests at once
	.ci/packages build-essential pkg-config libssl-dev python3-venv nodejs npm libfaketime age e2fsprogs mount postgresql pgbouncer
	cargo build --workspace --all-targets --locked
	MONEYER_KILL_ROUNDS=1000 MONEYER_RACE_KEYS=100 MONEYER_CRASH_IMAGES=500 MONEYER_ABORT_POINTS=all \
	MONEYER_AWAY_SECONDS=600 MONEYER_AWAY_SANDBOXES=1000 MONEYER_DATABASE_AWAY_SECONDS=600 \
	MONEYER_SOAK_ROTATIONS=1000 MONEYER_SOAK_EVERY_MS=1000 \
		cargo test --locked --package moneyer-integration --test processes -- --nocapture
	MONEYER_FORWARD_AT_ONCE=10000 cargo test --locked --package moneyer-runner-proxy --lib forward::tests::tokens
	ROTATION_SECONDS=600 ROTATION_EVERY=20 deploy/interop/run.sh $(TARGET)/debug tests/test_rotation.py
	SVID_ROTATION_SECONDS=300 deploy/interop/run.sh $(TARGET)/debug tests/spiffe/test_authority_rotation.py
	FEDERATION_SECONDS=300 deploy/interop/run.sh $(TARGET)/debug tests/spiffe/test_federation.py

FUZZ_SECONDS := 20

fuzz: ## Fuzz every parser, FUZZ_SECONDS each (20 by default), beside a build of some minutes
	.ci/packages build-essential pkg-config libssl-dev
	issuer/fuzz/run.sh $(FUZZ_SECONDS)

lint: $(CARGO_DENY) ## Check format, lints, documentation, layers, licences and sources
	.ci/packages build-essential pkg-config libssl-dev
	cargo fmt --all --check
	cargo fmt --check --manifest-path issuer/fuzz/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
	# Wrappers name crates that may, not crates that must: one that does not is no finding.
	$(CARGO_DENY) --locked check -A unused-wrapper bans licenses sources

# Milliseconds a figure of exchanges, of several coordinators and of the forward proxy.
BENCH_MS := 5000

bench: ## Measure against the references in one run; writes docs/performance.md, and prints exchanges beside Jwtlet's calls and requests through the forward proxy
	.ci/packages build-essential pkg-config libssl-dev nginx-light postgresql
	cargo build --release --locked $(DAEMONS) --package moneyer-load
	$(TARGET)/release/moneyer-load report
	MONEYER_BENCH_MS=$(BENCH_MS) \
		cargo test --release --locked --package moneyer-integration --test bench -- --nocapture
	MONEYER_BENCH_MS=$(BENCH_MS) \
		cargo test --release --locked --package moneyer-runner-proxy --test proxy bench:: -- --nocapture

# Unoptimised: it builds in a quarter of the time and runs for a second.
$(CARGO_DENY):
	.ci/packages build-essential
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked \
		--no-default-features --debug --root $(CARGO_DENY_ROOT)
