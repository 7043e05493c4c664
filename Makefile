# Everything a contributor runs; .ci/run does the same. Bare `make` lists the targets.
#
# All of it uses cargo's release profile and the whole workspace's features, so that each dependency is
# compiled once, whatever runs first (see the profile in Cargo.toml).
.DEFAULT_GOAL := help
.PHONY: help setup build test test-fast lint fmt doc bench demo gpu clean ci

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

setup: ## find libtorch 2.11, or fetch it once (at most 550 MB)
	@scripts/libtorch.sh

build: setup ## compile the program: target/release/e2mc and e2mc-engine beside it
	cargo build --release --workspace --bins

# Tests run side by side: libtorch's threads must not spin long while they wait for each other.
test: export GOMP_SPINCOUNT = 10000
test: build ## run all tests
	cargo test --release --workspace

test-fast: ## run the tests of the crates that need no libtorch
	cargo test --release $(foreach crate,base eval data recipe record report,--package e2mc-$(crate)) --package e2mc

lint: setup ## check formatting, clippy and the documentation; warnings are errors
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

fmt: ## format the code
	cargo fmt --all

doc: setup ## write the documentation of the crates to target/doc
	cargo doc --release --workspace --no-deps

bench: setup ## run the benchmarks behind docs/benchmarks.md
	cargo bench --workspace --bench '*'
	@set -e; for script in scripts/bench-*.sh; do [ ! -e "$$script" ] || "$$script"; done

demo: build ## continue a model with E2MC on real images and show what it gained (minutes)
	target/release/e2mc demo

gpu: ## use libtorch's CUDA build until the next make clean (2.6 GB, once)
	@scripts/libtorch.sh cuda

clean: ## remove what was compiled and the link to libtorch (its files stay in the cache)
	cargo clean
	rm -rf .libtorch

ci: lint test ## what has to pass
