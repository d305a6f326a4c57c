#!/usr/bin/env bash
# Runs a command with a PostgreSQL of its own: a cluster in a temporary folder, on a free loopback port, reached by
# MAILAGENT_TEST_POSTGRES_URL. It is stopped and removed when the command ends, whatever way.
#
#   scripts/with-postgres.sh cargo test
set -euo pipefail
# Jobs get process groups of their own: Ctrl-C reaches this script alone, which then stops them in the right order.
set -m

[ $# -gt 0 ] || { echo "usage: $0 command [argument...]" >&2; exit 2; }

# Debian keeps the server's programs out of PATH; the newest version sorts last.
bin=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
bin=${bin:-$(command -v initdb || true)}
if [ -z "$bin" ]; then
    echo "$0: no PostgreSQL server found; install one (Debian: apt-get install postgresql)" >&2
    exit 1
fi
bin=$(dirname "$(readlink -f "$bin")")

folder=$(mktemp -d "${TMPDIR:-/tmp}/mailagent-postgres.XXXXXX")
server='' command=''

stop() {
    status=$?
    trap - EXIT HUP INT TERM
    if [ -n "$command" ]; then kill -TERM -- "-$command" 2>/dev/null && wait "$command" || true; fi
    # SIGINT is PostgreSQL's fast stop: open connections are closed, nothing is waited for.
    if [ -n "$server" ]; then kill -INT "$server" 2>/dev/null && wait "$server" || true; fi
    rm -rf "$folder"
    exit "$status"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The server refuses root.
as_owner=()
if [ "$(id -u)" = 0 ]; then
    owner=nobody
    if id postgres >/dev/null 2>&1; then owner=postgres; fi
    chown "$owner" "$folder"
    as_owner=(setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --clear-groups)
fi

# The owner may not be allowed into the folder that we are in.
cd "$folder"
"${as_owner[@]}" "$bin/initdb" --pgdata="$folder/data" --username=mailagent --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync \
    >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; exit 1; }

# Whether our server, not somebody else's on the same port, takes connections.
ready() { grep -q '^ready' "$folder/data/postmaster.pid" 2>/dev/null; }

# A port that looks free may be taken before the server has it, so a few are tried.
for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    "${as_owner[@]}" "$bin/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 -c timezone=UTC \
        >"$folder/server.log" 2>&1 &
    server=$!
    until ready || ! kill -0 "$server" 2>/dev/null; do sleep 0.1; done
    if ready; then break; fi
    server=''
done
if [ -z "$server" ]; then
    echo "$0: PostgreSQL did not start:" >&2
    cat "$folder/server.log" >&2
    exit 1
fi
cd - >/dev/null

MAILAGENT_TEST_POSTGRES_URL="postgres://mailagent@127.0.0.1:$port/postgres" "$@" </dev/null &
command=$!
wait "$command" && status=0 || status=$?
command=''
exit "$status"
