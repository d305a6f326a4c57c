# `make help` lists what there is.

BUF := clients/typescript/node_modules/.bin/buf

.DEFAULT_GOAL := help
.PHONY: help demo setup test check fmt clients bench

help: ## Shows this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## Runs the service with simulated mailboxes and sample mail; Ctrl-C ends it
	@cargo run --bin mailagent -- demo

setup: ## Installs what the tests need
	@scripts/setup-test.sh

test: ## Runs every check and every test, after installing what they need
	@scripts/test.sh

check: test ## The same: what CI runs

fmt: ## Formats Rust and protocol files
	cargo fmt --all
	@test -x $(BUF) || { echo "protocol files left as they are: make setup brings buf"; exit 0; }; $(BUF) format --write

clients: setup ## Regenerates the code in clients/ from proto/
	@scripts/generate-clients.sh

bench: ## Measures the main job beside other software: minutes, in release mode
	@scripts/bench.sh
