#!/usr/bin/env bash
# Fails when the generated code of a client does not match proto/. It is then regenerated.
set -euo pipefail
cd "$(dirname "$0")/.."

generated=(clients/rust/src/generated clients/python/mailagent_client/v1 clients/typescript/src/gen)
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
cp --parents -r "${generated[@]}" "$before"
scripts/generate-clients.sh
stale=0
for folder in "${generated[@]}"; do
    diff -r --exclude=__pycache__ "$before/$folder" "$folder" || stale=1
done
if [ $stale = 1 ]; then
    echo "The generated clients did not match proto/. They have been regenerated: check the diff and commit it." >&2
    exit 1
fi
