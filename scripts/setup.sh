#!/usr/bin/env bash
# Makes .venv with every extra from requirements/all.txt, and Runstone itself in it as an editable install.
# Needs Python 3.10 or newer with its venv module; as root on Debian a missing python3-venv is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv
log=$(mktemp "${TMPDIR:-/tmp}/runstone-setup.XXXXXX")
trap 'rm -f "$log"' EXIT

say() { printf '%s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }
quietly() { "$@" >>"$log" 2>&1 || { tail -n 30 "$log" >&2; fail "Failed: $*"; }; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }
has_venv() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

choose_python() {
    local name
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    fail "Runstone needs Python 3.10 or newer and found none (looked for ${PYTHON:-python3, python3.13 ... python3.10}).
Install one, or name it: make setup PYTHON=/path/to/python3"
}

install_venv_module() {
    local package
    package="$("$1" -c 'import sys; print(f"python3.{sys.version_info[1]}-venv")')"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "$1 has no venv module; install it first (Debian, Ubuntu: sudo apt-get install $package)"
    fi
    say "Installing $package, which $1 lacks ..."
    quietly apt-get update -q
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -q -y --no-install-recommends "$package"
}

make_venv() {
    local python
    python="$(choose_python)"
    has_venv "$python" || install_venv_module "$python"
    say "Making $venv with $("$python" --version) ..."
    quietly "$python" -m venv --clear "$venv"
}

install_packages() {
    local total
    total="$(grep -c '==' requirements/all.txt)"
    say "Installing about $total packages into $venv; this takes a minute or two the first time ..."
    quietly "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
        --requirement requirements/all.txt
    quietly "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --no-build-isolation --editable .
}

started=$SECONDS
new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
install_packages
say "Ready after $((SECONDS - started)) s: $venv/bin/runstone, $venv/bin/python"
