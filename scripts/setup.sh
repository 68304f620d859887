#!/bin/sh
# Make .venv: find the newest Python that really runs, and let scripts/bootstrap.py do the rest with it.
# PYTHON=/path/to/python3.X chooses one. Arguments go to bootstrap.py.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)

# What a usable interpreter prints: whether it is conda's, and the base interpreter behind a virtual environment
# (a .venv made from another .venv would break with it). A shim that has no such version fails here, as do
# pre-releases, free-threaded and 32-bit builds, and builds without the modules that Headgate needs.
probe='
import os, sys
usable = (3, 11) <= sys.version_info[:2] and sys.version_info[3] == "final" and sys.maxsize > 2**32
if not usable or "t" in getattr(sys, "abiflags", ""):
    sys.exit(1)
import ctypes, hashlib, sqlite3, ssl, zlib
kind = "conda" if os.path.exists(os.path.join(sys.base_prefix, "conda-meta")) else "plain"
print(kind + " " + (getattr(sys, "_base_executable", "") or sys.executable))
'

rejected=''
conda=''

# Set $found to the interpreter behind $1 and return 0, or note why not and return 1.
try() {
    [ -x "$1" ] && [ ! -d "$1" ] || return 1
    if answer=$("$1" -I -S -c "$probe" 2>/dev/null </dev/null) && [ -n "$answer" ]; then
        found=${answer#* }
        [ -x "$found" ] || found=$1
        [ "${answer%% *}" = plain ] && return 0
        [ -n "$conda" ] || conda=$found
        return 1
    fi
    rejected="$rejected $1"
    return 1
}

# Try the name $1 in every directory of PATH: a broken shim may hide a good interpreter further on.
try_name() {
    rest=$PATH:
    while [ -n "$rest" ]; do
        directory=${rest%%:*}
        rest=${rest#*:}
        [ -n "$directory" ] || continue
        try "$directory/$1" && return 0
    done
    return 1
}

find_python() {
    # Up to 3.14 every dependency has a wheel; a newer Python is better than none, but not better than these.
    for minor in 14 13 12 11 15 16 17 18 19; do
        try_name "python3.$minor" && return 0
    done
    try_name python3 && return 0
    try_name python && return 0
    for minor in 14 13 12 11; do
        for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python3."$minor" \
            "$HOME"/.local/share/uv/python/cpython-3."$minor".*/bin/python3."$minor"; do
            try "$candidate" && return 0
        done
    done
    # Conda's own Python works, but goes away with its environment.
    [ -n "$conda" ] && found=$conda
}

HOME=${HOME:-/}
if [ -n "${PYTHON:-}" ]; then
    chosen=$(command -v "$PYTHON" || true)
    if ! try "${chosen:-$PYTHON}"; then
        if [ -z "$conda" ]; then
            echo "PYTHON=$PYTHON is not a Python of at least 3.11 that runs here and has ssl and sqlite3." >&2
            exit 1
        fi
        found=$conda
    fi
elif ! find_python; then
    echo "Headgate needs Python 3.11 or newer, and none was found on PATH that runs and has ssl and sqlite3." >&2
    [ -z "$rejected" ] || echo "Tried in vain:$rejected" >&2
    echo "Install one (Debian and Ubuntu: apt-get install python3), or name it: make setup PYTHON=/path/to/python3" >&2
    exit 1
fi

exec "$found" -E -s "$root/scripts/bootstrap.py" "$@"
