#!/usr/bin/env bash
# Regenerates the code of all clients from proto/. Needs what scripts/setup-test.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo run --quiet --package mailagent-codegen
.venv/bin/python scripts/generate-python.py
(cd clients/typescript && node_modules/.bin/buf generate)
