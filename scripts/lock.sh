#!/usr/bin/env bash
# Renews requirements/*.txt: every version and hash, for Python 3.10 and newer on every platform, and no address.
set -euo pipefail
cd "$(dirname "$0")/.."

lock() {
    local file=requirements/$1.txt
    shift
    .venv/bin/uv pip compile pyproject.toml "$@" --universal --python-version 3.10 --upgrade --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --output-file "$file.new" \
        >/dev/null
    if grep -nE '[a-z]+://' "$file.new"; then
        printf 'An address in %s: refused.\n' "$file" >&2
        exit 1
    fi
    mv "$file.new" "$file"
    printf '%s: %s packages\n' "$file" "$(grep -c '==' "$file")"
}

lock base
lock server --extra server --extra postgres --extra cloud --extra secrets --extra notify --extra gpu
lock all --extra all
