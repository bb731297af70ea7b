#!/usr/bin/env bash
# Builds kube-apiserver from Debian's source package, which has all it needs in vendor/; prints where
# the program is. It is kept in .tools/ by its version and built again only for another one: ten minutes on two idle
# cores, and 2.5 GB that are removed afterwards.
set -euo pipefail

# Of Debian 12, the last with an API server to build. The package is called so, the program is 1.20.2.
version='1.20.5+really1.20.2-1.1+deb12u1'
suite=bookworm

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
kept=$root/.tools/kubernetes-$version
program=$kept/kube-apiserver
if [ -x "$program" ]; then
    echo "$program"
    exit 0
fi

"$root/.ci/packages" golang-1.19-go golang-github-modern-go-reflect2-dev dpkg-dev rsync jq >&2
# Without rsync, and after a build that was stopped, its makefiles go on with generators that are empty files.
build=$kept/build
rm -rf "$build"
mkdir -p "$build"/{lists/partial,archives/partial,home}
trap 'rm -rf "$build"' EXIT

# A list of sources of its own: the system's stay as they are. apt compares the package with what Debian signed.
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main" \
    >"$build/sources.list"
from_debian() {
    apt-get -qq -o Dir::Etc::SourceList="$build/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$build/lists" -o Dir::Cache="$build" -o APT::Sandbox::User=root "$@" >&2
}
cd "$build"
from_debian update
from_debian source --download-only "kubernetes=$version"
dpkg-source --no-check -x kubernetes_*.dsc src >&2
cd src

# The vendored one panics at every TokenReview if a Go above 1.17 compiled it.
reflect2=vendor/github.com/modern-go/reflect2
rm "$reflect2"/*.go "$reflect2"/*.s
cp /usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$reflect2"
rm -f "$reflect2"/*_test.go

echo "building kube-apiserver $version, which takes ten minutes and more" >&2
mkdir -p .go/src/k8s.io
ln -sfn ../../.. .go/src/k8s.io/kubernetes
# -i: a make above this one would tell this one its flags.
env -i PATH="/usr/lib/go-1.19/bin:$PATH" HOME="$build/home" GOPATH="$PWD/.go" GOPROXY=off CGO_ENABLED=0 \
    make WHAT=cmd/kube-apiserver >"$kept/build.log" 2>&1 ||
    { tail -n 40 "$kept/build.log" >&2; exit 1; }
built=(_output/local/bin/linux/*/kube-apiserver)
# Under its name only once it is whole.
cp "${built[0]}" "$program.new"
mv "$program.new" "$program"
echo "$program"
