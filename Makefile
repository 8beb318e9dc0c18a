# `make` alone shows what there is. Every target installs and builds what it needs first; a second time it does not.
.PHONY: help install native build test test-exp lint docs format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: node_modules/.installed native/build/.tried ## install the packages of package-lock.json, build the native backend

native: node_modules/.installed ## build the native backend again, after installing what was missing
	@scripts/install-native.sh --force && touch native/build/.tried

build: dist/.built native/build/.tried ## compile src/ to dist/

test: build ## all tests, on every backend that works here
	@scripts/install-software-gpu.sh
	@scripts/install-browser.sh
	@npm test --silent

test-exp: build ## the tests of the experiment side only
	@npm test --silent -- test/lab test/cli

lint: build ## types, style and format
	@npm run --silent typecheck && npm run --silent lint && npm run --silent format:check

docs: install ## build the documentation site, dist-docs/index.html, and check every link
	@npm run --silent docs && npm run --silent docs:check

format: install ## format every file
	@npm run --silent format

clean: ## remove runs and figures made here; datasets and recorded runs stay
	@if [ -L data ] || [ -L fig ]; then echo 'data or fig is a symbolic link: nothing removed' >&2; exit 1; fi
	@rm -rf data/runs data/runs-quick
	@find fig -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	@echo 'removed data/runs, data/runs-quick and the figures in fig'

node_modules/.installed: package.json package-lock.json
	@scripts/install.sh

# Tried once for each state of its sources: without a compiler it is left out.
native/build/.tried: node_modules/.installed scripts/build-native.js native/binding.gyp $(shell find native/src -type f)
	@mkdir -p native/build && scripts/install-native.sh && touch $@

dist/.built: node_modules/.installed tsconfig.json tsconfig.build.json scripts/build-web.js $(shell find src -type f)
	@npm run --silent build && touch $@
