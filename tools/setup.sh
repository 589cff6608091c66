#!/usr/bin/env bash
# From a clone to a working environment: .venv with the locked dependencies and neve itself, editable.
#
# `make setup` runs it when requirements/dev.txt or pyproject.toml changed. PYTHON names another
# interpreter. pip is left to its own settings: whatever index, mirror or proxy this machine uses, it uses.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
# The versions that the locked dependencies were resolved for come first.
candidates=(python3.13 python3.12 python3.11 python3 python3.14)

is_recent() { # PYTHON: does it run, and is it one of ours? A version manager's shim may exist and not run.
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

makes_venvs() { # PYTHON: Debian packs the modules that `python -m venv` needs apart.
    "$1" -c 'import venv, ensurepip' >/dev/null 2>&1
}

find_python() { # Print the interpreter to use: the first that is complete, else the first at all.
    local python incomplete=
    if [ -n "${PYTHON:-}" ]; then
        is_recent "$PYTHON" || { echo "PYTHON=$PYTHON is not a Python 3.11 or newer." >&2; return 1; }
        echo "$PYTHON"
        return
    fi
    for python in "${candidates[@]}"; do
        is_recent "$python" || continue
        if makes_venvs "$python"; then
            echo "$python"
            return
        fi
        incomplete=${incomplete:-$python}
    done
    [ -n "$incomplete" ] || { echo "neve needs Python 3.11 or newer; none was found." >&2; return 1; }
    echo "$incomplete"
}

if ! is_recent "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    if ! makes_venvs "$python"; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        tools/debian_packages.sh "virtual environments for $python" "python$version-venv"
    fi
    echo "making $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

echo "installing the locked dependencies"
export PIP_DISABLE_PIP_VERSION_CHECK=1
pip=("$venv/bin/python" -m pip install --quiet --no-input)
# The lock is complete, so nothing is resolved here; every file must have one of the recorded hashes.
"${pip[@]}" --require-hashes --no-deps -r requirements/dev.txt
# The build backend is one of them: building neve fetches nothing.
"${pip[@]}" --no-deps --no-build-isolation --editable .
"$venv/bin/python" -m pip check
touch "$venv/.stamp"
