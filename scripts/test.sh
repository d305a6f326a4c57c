#!/usr/bin/env bash
# Runs every check and every test, the quick ones first, and stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

summary=()
step() {
    local title=$1 begin=$SECONDS
    shift
    printf '\n==> %s\n' "$title"
    if ! "$@"; then
        printf '\n'
        printf '%s\n' "${summary[@]}"
        printf 'FAILED      %s\nThe command was: %s\n' "$title" "$*"
        exit 1
    fi
    summary+=("$(printf 'ok %5d s  %s' $((SECONDS - begin)) "$title")")
}

buf=clients/typescript/node_modules/.bin/buf
export PATH="$PWD/build/tools/bin:$PATH"
# What the tests of the clients are told by; without these they would be skipped.
export MAILAGENT_TEST_PYTHON=$PWD/.venv/bin/python
export MAILAGENT_TEST_NODE_MODULES=$PWD/tests/clients/node_modules

step "set-up (scripts/setup-test.sh)" scripts/setup-test.sh
step "format of Rust files (make fmt fixes it)" cargo fmt --all --check
step "format of protocol files (make fmt fixes it)" "$buf" format --diff --exit-code
step "protocol files (buf lint)" "$buf" lint
step "spelling (typos)" .venv/bin/typos
step "licences, bans and sources of dependencies (cargo deny)" cargo deny --log-level error check bans licenses sources
step "unused dependencies (cargo machete)" cargo machete
step "generated clients are fresh (make clients)" scripts/check-clients-fresh.sh
step "TypeScript client: build" npm --prefix clients/typescript run --silent build
step "TypeScript client: tests" npm --prefix clients/typescript test --silent
step "Python client: tests" .venv/bin/python -m unittest discover --quiet clients/python/tests
# Clippy before the tests: it finds most faults sooner. rustdoc goes on with clippy's artifacts, the tests need their own.
step "lints (cargo clippy)" cargo clippy --workspace --all-targets --locked -- --deny warnings
# All of the workspace: with the package alone, some build dependencies differ and nearly everything is compiled again.
step "lints of the service without the demo (cargo clippy --no-default-features)" \
    cargo clippy --workspace --lib --bins --no-default-features --locked -- --deny warnings
step "documentation (cargo doc)" env RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items --locked
step "tests, on SQLite and PostgreSQL, with the Node, Python and browser clients" \
    scripts/with-postgres.sh cargo test --workspace --locked

printf '\n%s\n' "All is well:"
printf '%s\n' "${summary[@]}"
