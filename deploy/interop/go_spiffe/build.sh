#!/usr/bin/env bash
# Builds the Go programs here, and prints where the result is. go.sum pins what goes into it. A Go that is installed
# is taken if it can fetch the version that go.mod asks for by itself; Debian 12's cannot, and fetches it as a module,
# which Go compares with its public checksum database.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
program=$root/.tools/go_spiffe
toolchain=1.25.5
export GOPATH=$root/.tools/gopath GOFLAGS='-modcacherw -trimpath -buildvcs=false' GOWORK=off CGO_ENABLED=0

# The first that can: toolchains are modules since 1.21.
[[ $(go version 2>/dev/null) =~ go1\.([0-9]+) ]] && minor=${BASH_REMATCH[1]} || minor=0
if [ "$minor" -ge 21 ]; then
    go=go
else
    "$root/.ci/packages" golang-1.19-go jq >&2
    module=golang.org/toolchain@v0.0.1-go$toolchain.linux-$(dpkg --print-architecture)
    fetched=$(cd / && /usr/lib/go-1.19/bin/go mod download -json "$module" | jq -r .Dir)
    # A module's files are not executable.
    chmod -R +x "$fetched"/bin "$fetched"/pkg/tool
    go=$fetched/bin/go
fi
cd "$here"
"$go" build -mod=readonly -o "$program" . >&2
echo "$program"
