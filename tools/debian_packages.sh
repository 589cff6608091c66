#!/usr/bin/env bash
# Install Debian or Ubuntu packages if this user may; otherwise say what is missing and fail.
#
#   tools/debian_packages.sh REASON PACKAGE…
#
# Nothing here reads standard input, and a package manager that is busy is waited for.
set -euo pipefail

reason=$1
shift

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "neve needs the package(s) $* ($reason). Please install them, for example with:" >&2
    echo "    sudo apt-get install $*" >&2
    exit 1
fi

echo "installing $* ($reason)" >&2
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "apt-get could not install $*." >&2
    exit 1
fi
