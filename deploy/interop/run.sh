#!/usr/bin/env bash
# Installs the verifiers into a private environment and runs them against `moneyer dev`.
#
#   run.sh [BIN_DIR]   BIN_DIR holds the binaries; default: the debug build of this tree.
#
# Versions and hashes are in requirements.txt and package-lock.json; what is installed is kept until
# one of them changes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin_dir=$(realpath -m "${1:-${CARGO_TARGET_DIR:-$root/target}/debug}")
venv=$root/.tools/venv
stamp=$root/.tools/interop.stamp

[ -x "$bin_dir/moneyer" ] || { echo "no $bin_dir/moneyer: build it first" >&2; exit 1; }

"$root/.ci/packages" python3-venv nodejs npm openssl haproxy apache2 libapache2-mod-auth-openidc libapache2-mod-oauth2
if [ "${MONEYER_TEST_NO_MOUNT:-}" != 1 ]; then
    "$root/.ci/packages" radosgw ceph-mon ceph-osd ceph-common
fi

# Judges the units of deploy/systemd; none has to run.
"$root/.ci/packages" systemd

# The status page is looked at in a browser; the font is what its picture is drawn with.
"$root/.ci/packages" chromium fonts-dejavu-core

wanted=$(cat "$here/requirements.txt" "$here/package-lock.json" | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || ! [ -d "$here/node_modules" ]; then
    echo 'installing the verifiers'
    rm -f "$stamp"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        -r "$here/requirements.txt"
    npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund --loglevel=error
    printf '%s\n' "$wanted" >"$stamp"
fi

cd "$here"
# -I: nothing of the caller's environment reaches the interpreter. -B: no byte code in the tree.
# no_proxy: all that is asked for is on this machine.
MONEYER_BIN_DIR=$bin_dir no_proxy=127.0.0.1 exec "$venv/bin/python" -I -B -m pytest "${@:2}"
