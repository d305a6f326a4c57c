#!/usr/bin/env bash
# Installs what the tests need beside Rust, as far as it is missing: PostgreSQL, Chromium, Postfix and Dovecot (Debian packages), Python packages in .venv,
# npm packages beside what uses them, cargo's tools in build/tools. Nothing is done twice.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "$*" >&2; exit 1; }

# --- Programs ---

packages=()
# Where Debian has servers; not everybody looks there.
PATH=$PATH:/usr/sbin
has() { command -v "$1" >/dev/null; }
has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
has "${MAILAGENT_TEST_CHROMIUM:-/usr/bin/chromium}" || packages+=(chromium)
has cc || packages+=(build-essential)
has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
servers=()
has postconf || servers+=(postfix)
has dovecot || servers+=(dovecot-core)
if ! has postconf && has exim4; then
    die "The tests need Postfix, which cannot be installed beside Exim. Run them in a container, or replace Exim (apt-get install postfix)."
fi
packages+=("${servers[@]}")
if [ ${#packages[@]} -gt 0 ]; then
    echo "installing Debian packages: ${packages[*]}"
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        has sudo || die "Missing: ${packages[*]}. Install them as root (Debian: apt-get install ${packages[*]}), then run this again."
        as_root=(sudo)
    fi
    has apt-get || die "Missing: ${packages[*]} (names as in Debian). There is no apt-get here: install them in your system's way."
    # Only the programs are wanted: nothing of theirs shall run as a service, now or later.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    if [ ${#servers[@]} -gt 0 ]; then
        echo 'postfix postfix/main_mailer_type select No configuration' | "${as_root[@]}" debconf-set-selections
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
    if [ ${#servers[@]} -gt 0 ] && has systemctl; then
        "${as_root[@]}" systemctl disable --quiet postfix dovecot 2>/dev/null || true
    fi
fi
has node && has npm || die "Missing: Node.js 20 or newer, with npm. Install it from https://nodejs.org or your system's packages."
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || die "Node.js 20 or newer is needed; here is $(node --version)."
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "Python 3.10 or newer is needed; here is $(python3 --version)."

# once <stamp> <file>... -- <command>...: runs the command, unless the files are as they were when it last succeeded.
once() {
    local stamp=$1 inputs=() state
    shift
    while [ "$1" != -- ]; do inputs+=("$1"); shift; done
    shift
    state=$(sha256sum "${inputs[@]}")
    if [ "$state" != "$(cat "$stamp" 2>/dev/null)" ]; then
        "$@"
        printf '%s\n' "$state" >"$stamp"
    fi
}

# --- Python ---

python_packages() {
    echo "installing Python packages in .venv"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check "${@/#/--requirement=}"
}
requirements=(scripts/requirements.txt tests/*/requirements.txt)
once .venv/installed "${requirements[@]}" -- python_packages "${requirements[@]}"

# A version that still speaks what the newest one does not, apart from it. What it needs, that one needs too.
older_packages() {
    echo "installing older Python packages in .venv/older"
    rm -rf .venv/older
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target=.venv/older --requirement="$1"
}
once .venv/older-installed tests/peers/older.txt -- older_packages tests/peers/older.txt

# --- npm ---

npm_packages() {
    echo "installing npm packages in $1"
    # The scripts of packages are not needed: what they would build comes ready.
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
}
# The client first: the tests link to it.
for lock in clients/typescript/package-lock.json tests/*/package-lock.json; do
    folder=$(dirname "$lock")
    once "$folder/node_modules/.installed" "$lock" "$folder/package.json" -- npm_packages "$folder"
done

# --- Cargo's tools ---

# Unoptimised and without debug information: that takes half as long to build, and they run for seconds only.
tools=(cargo-deny@0.20.2 cargo-machete@0.9.2)
if [ "${tools[*]}" != "$(cat build/tools/installed 2>/dev/null)" ]; then
    echo "building ${tools[*]} (about a minute)"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --root build/tools "${tools[@]}"
    echo "${tools[*]}" >build/tools/installed
fi
