#!/usr/bin/env bash
# Measures the main job beside other software, in one run, and prints a table: archive import, sweep, streams, downloads.
#
#   scripts/bench.sh [--corpus FOLDER] [--tool FILE] [--messages NUMBER] [--only import,sweep,stream,download]
#
# The messages are replicated from a corpus of real mail by make_bulk.py, which lies beside it: MAILAGENT_CORPUS names the corpus
# (default: ../shared/corpus), --tool the script (default: ../tools/make_bulk.py seen from the corpus).
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "$*" >&2; exit 1; }

corpus=${MAILAGENT_CORPUS:-../shared/corpus} tool='' messages=20000 only=import,sweep,stream,download
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || die "usage: $0 [--corpus FOLDER] [--tool FILE] [--messages NUMBER] [--only PART,...]"
    case $1 in
    --corpus) corpus=$2 ;;
    --tool) tool=$2 ;;
    --messages) messages=$2 ;;
    --only) only=$2 ;;
    *) die "$0 knows no option $1" ;;
    esac
    shift 2
done
tool=${tool:-$corpus/../tools/make_bulk.py}
[ -f "$corpus/index.tsv" ] || die "There is no corpus at $corpus. Name one with --corpus or MAILAGENT_CORPUS."
[ -f "$tool" ] || die "make_bulk.py is not at $tool. Name it with --tool."

if ! command -v mu >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing mu (Debian package maildir-utils)"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends maildir-utils; } >/dev/null || true
fi

cargo bench --quiet --locked --bench main_job --no-run

folder=$(mktemp -d "${TMPDIR:-/tmp}/mailagent-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "making $messages messages"
python3 "$tool" --src "$corpus" --out "$folder/messages" --n "$messages"
options=(--messages "$folder/messages" --manifest "$folder/messages.manifest.tsv" --work "$folder/work" --only "$only")
mkdir "$folder/work"
if command -v mu >/dev/null; then
    python3 "$tool" --src "$corpus" --out "$folder/maildir" --n "$messages" --maildir >/dev/null
    options+=(--maildir "$folder/maildir")
else
    echo "mu is not installed (Debian: apt-get install maildir-utils): measuring without it"
fi

run=(cargo bench --quiet --locked --bench main_job -- run "${options[@]}")
if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    scripts/with-postgres.sh "${run[@]}"
else
    echo "PostgreSQL is not installed (Debian: apt-get install postgresql): measuring without it"
    "${run[@]}"
fi
