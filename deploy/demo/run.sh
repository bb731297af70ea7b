#!/usr/bin/env bash
# Both token demos on this machine, with real processes: a coordinator, a runner proxy, a sandbox's environment, two
# issuers and four services, all on loopback. Prints what the services say of the tokens they get, and fails where it is
# anything else.
#
#   run.sh [BIN_DIR]   BIN_DIR holds the binaries; default: the build of `make demo`.
#   KEEP=1 run.sh      leaves everything running until Ctrl-C, to look around.
#
# Standard output is what the services say; what is done for it is told on standard error.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin_dir=$(realpath -m "${1:-${CARGO_TARGET_DIR:-$here/../../target}/quick}")
for program in moneyer moneyer-runner-proxy; do
    [ -x "$bin_dir/$program" ] || { echo "no $bin_dir/$program: make demo builds it" >&2; exit 1; }
done

TRUST_DOMAIN=moneyer.local
SANDBOX_ID=spiffe://$TRUST_DOMAIN/app/demo/sandbox/demo-1
WAIT_SECONDS=60

# The system's own temporary directory: a socket's path has room for 107 bytes.
place=$(mktemp -d /tmp/moneyer-demo.XXXXXX)
children=()

end() {
    local code=$? child
    trap - EXIT
    trap '' INT TERM
    if [ "$code" != 0 ] && [ "$code" != 130 ]; then
        for log in "$place"/*.log; do
            [ -s "$log" ] && { echo "--- the end of ${log##*/}"; tail -n 20 "$log"; } >&2
        done
    fi
    # The last that was started first, and the directory when nobody uses it any more.
    for ((at = ${#children[@]} - 1; at >= 0; at--)); do
        child=${children[at]}
        kill -TERM "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    rm -rf "$place"
    exit "$code"
}
trap end EXIT
trap 'exit 130' INT TERM

step() { echo "==> $*" >&2; }
fail() { echo "run.sh: $*" >&2; exit 1; }

# Neither the caller's proxies nor its settings of Moneyer reach what is started here.
clean() { env -i PATH="$PATH" HOME="$place" NODE_NO_WARNINGS=1 "$@"; }
coordinator() { clean "$bin_dir/moneyer" --config "$place/moneyer.toml" "$@"; }
runner_proxy() { clean "$bin_dir/moneyer-runner-proxy" --config "$place/runner-proxy.toml" "$@"; }
ask() { curl --disable --noproxy '*' --silent --show-error --max-time 10 "$@"; }

# start NAME COMMAND...: in the background, with NAME.log as its output.
start() {
    local name=$1
    shift
    env -i PATH="$PATH" HOME="$place" NODE_NO_WARNINGS=1 "$@" </dev/null >"$place/$name.log" 2>&1 &
    children+=("$!")
}

# await WHAT COMMAND...: until the command succeeds. What runs here must go on running meanwhile.
await() {
    local what=$1 give_up=$((SECONDS + WAIT_SECONDS)) child
    shift
    until "$@" >"$place/await.out" 2>&1; do
        for child in "${children[@]}"; do
            kill -0 "$child" 2>/dev/null || fail "waited for $what, and a process has ended"
        done
        if [ "$SECONDS" -ge "$give_up" ]; then
            cat "$place/await.out" >&2
            fail "no $what within $WAIT_SECONDS s"
        fi
        sleep 0.1
    done
}

# free_ports COUNT: all are held until the last is found.
free_ports() {
    node -e '
        const {createServer} = require("node:net");
        const held = Array.from({length: Number(process.argv[1])}, () => createServer().listen(0, "127.0.0.1"));
        let open = 0;
        for (const server of held) {
            server.on("listening", () => {
                if (++open < held.length) return;
                console.log(held.map((each) => each.address().port).join(" "));
                held.forEach((each) => each.close());
            });
        }' "$1"
}

# service NAME SCRIPT NAME=VALUE...: starts one of the demo's services; where it listens is then in $address.
service() {
    local name=$1 script=$2
    shift 2
    start "$name" LISTEN=127.0.0.1:0 SECRET_FILE="$place/secret" "$@" node "$here/services/$script"
    await "$name" grep -q ' listens on ' "$place/$name.log"
    address=$(sed -n 's|.* listens on http://||p' "$place/$name.log")
}

# services KIND NAME SETTING...: the issuer of this name and its alpha and beta, at $issuer, $alpha and $beta. What they
# call themselves in tokens is what they are called in a cluster.
services() {
    local kind=$1 script=$2.mjs name=http://$2.default.svc.cluster.local
    shift 2
    service "$kind-issuer" "$script" ISSUER="$name" SVID_AUDIENCE="$name" SVID_ISSUER="$public" \
        SVID_KEY_SET="$public/.well-known/jwks.json" "$@"
    issuer=$address
    service "$kind-alpha" service.mjs SERVICE=alpha ISSUER="$name" "${of_services[@]}"
    alpha=$address
    service "$kind-beta" service.mjs SERVICE=beta ISSUER="$name" "${of_services[@]}"
    beta=$address
}

# on_loopback PROFILE: the same with the hosts, ports and addresses of this machine, and nothing else changed.
on_loopback() {
    sed -e "/token_endpoint:/s|//[^/]*|//$issuer|" \
        -e "/host: alpha/{s/: .*/: ${alpha%:*}/;n;s/80/${alpha#*:}/}" \
        -e "/host: beta/{s/: .*/: ${beta%:*}/;n;s/80/${beta#*:}/}" \
        -e 's|10\.43\.0\.0/16|127.0.0.0/8|' "$here/profiles/$1" >"$place/$1"
}

# A program in the sandbox: it has the sandbox's variables, and no others. The services are on loopback, which programs
# reach without a proxy where NO_PROXY says so; `--noproxy ''` says that here they are somewhere else.
in_sandbox() { env -i PATH="$PATH" "${variables[@]}" "$@"; }
call() { in_sandbox curl --disable --noproxy '' --silent --show-error --max-time 10 "$@"; }
is_answered() { call --fail --output "$place/answer" "http://$1/"; }

# expect SERVICE ADDRESS [LINE]: what the service says of the token, printed and compared.
expect() {
    local name=$1 at=$2
    shift 2
    await "answer of $name" is_answered "$at"
    cat "$place/answer"
    printf '%s\n' "$name called with path /:" "  aud: $name, account" "  scope: $name profile email" \
        "  azp: $SANDBOX_ID" "$@" | diff --label expected --label "of $name" - "$place/answer" >&2 \
        || fail "$name says something else"
}

# status COMMAND...: the status that curl got.
status() { "$@" --output /dev/null --write-out '%{http_code}'; }

# issued COUNT WHAT LOG: tokens are kept: the issuer gave as many as there are services, however often they are called.
issued() {
    local found
    found=$(grep -c " issued $2 " "$place/$3" || true)
    [ "$found" = "$1" ] || fail "the issuer gave $found times '$2', and not $1 times"
}

start_moneyer() {
    local ports
    read -ra ports < <(free_ports 5)
    public=http://127.0.0.1:${ports[0]}
    (umask 077; head -c 32 /dev/urandom >"$place/seal.key"; head -c 32 /dev/urandom >"$place/secret")
    cat >"$place/moneyer.toml" <<END
[issuer]
url = "$public"
organization_id = "acme"
cluster_id = "demo"

[listen]
public = "127.0.0.1:${ports[0]}"
grpc = "127.0.0.1:${ports[1]}"
operations = "127.0.0.1:${ports[2]}"
management = "unix:$place/management.sock"

[spiffe]
trust_domain = "$TRUST_DOMAIN"

[store]
path = "$place/store"

[seal]
key_file = "$place/seal.key"

[audit]
path = "$place/audit"

# What the second demo's issuer calls itself, which is at another address here.
[grants]
assertion_audiences = ["http://token-exchange-issuer.default.svc.cluster.local"]

[telemetry]
filter = "warn"
END
    cat >"$place/runner-proxy.toml" <<END
[coordinator]
address = "127.0.0.1:${ports[1]}"
trust_domain = "$TRUST_DOMAIN"

[runner]
state = "$place/runner"
run = "$place/run"

[token_server]
listen = "127.0.0.1:${ports[3]}"

[forward]
listen = "127.0.0.1:${ports[4]}"

[telemetry]
filter = "warn"
END
    step 'a coordinator and a runner proxy start'
    start coordinator "$bin_dir/moneyer" --config "$place/moneyer.toml" serve
    await 'coordinator' ask --fail "http://127.0.0.1:${ports[2]}/readyz"
    coordinator runner invite demo-runner | runner_proxy join - >&2
    start runner-proxy "$bin_dir/moneyer-runner-proxy" --config "$place/runner-proxy.toml" serve
}

place_sandbox() {
    step 'a sandbox is placed'
    coordinator app put demo >&2
    coordinator sandbox put demo-1 --app demo --runner demo-runner >&2
}

# A sandbox is told of the forward proxy as soon as it may reach something by it.
is_attached() {
    runner_proxy sandbox attach demo-1 --env-file "$place/env" && grep -q '^http_proxy=' "$place/env"
}

# provide PROFILE_ID PROFILE CREDENTIAL...: the profile is checked and put, a provider made of it and attached to the
# sandbox, and the sandbox to its runner proxy.
provide() {
    local profile=$2
    on_loopback "$profile"
    coordinator profile lint "$place/$profile" >&2
    coordinator profile put "$place/$profile" >&2
    coordinator provider create "$1" --profile "$1" "${@:3}" >&2
    coordinator provider attach "$1" --sandbox demo-1 >&2
    await 'sandbox with a forward proxy' is_attached
    mapfile -t variables <"$place/env"
}

grant_demo() {
    step 'the token grant demo: the sandbox proves who it is with a JWT-SVID'
    of_services=()
    services grant token-issuer SVID_PREFIX="spiffe://$TRUST_DOMAIN/app/"
    provide spiffe-token-demo spiffe-token-grant-demo.yaml --runtime-credentials
    expect alpha "$alpha"
    expect beta "$beta"
    expect alpha "$alpha" >/dev/null
    issued 2 token grant-issuer.log
    [ "$(status ask "http://$alpha/")" = 401 ] || fail 'alpha takes a request without a token'
    [ "$(status call "http://$issuer/healthz")" = 403 ] || fail 'the sandbox reaches what no profile names'
    echo 'SPIFFE token grant demo succeeded.'
}

exchange_demo() {
    step 'the token exchange demo: the sandbox acts for a user, whose token stays with the coordinator'
    of_services=(TOKEN_USE=final)
    services exchange token-exchange-issuer SANDBOX_PREFIX="spiffe://$TRUST_DOMAIN/app/" \
        COORDINATOR_PREFIX="spiffe://$TRUST_DOMAIN/moneyer/"
    (umask 077; ask --fail "http://$issuer/demo-subject-token" \
        | node -p 'JSON.parse(require("node:fs").readFileSync(0)).access_token' >"$place/user.token")
    provide spiffe-token-exchange-demo spiffe-token-exchange-demo.yaml --from-oidc-token "$place/user.token"
    expect alpha "$alpha" '  sub: demo-user'
    expect beta "$beta" '  sub: demo-user'
    issued 1 'intermediate token' exchange-issuer.log
    issued 2 'final token' exchange-issuer.log
    echo 'SPIFFE token exchange demo succeeded.'
}

start_moneyer
place_sandbox
grant_demo
exchange_demo

if [ "${KEEP:-}" = 1 ]; then
    cat >&2 <<END

Everything goes on running, in $place. Ctrl-C ends it and takes it away.

  $bin_dir/moneyer --config $place/moneyer.toml audit query
  $bin_dir/moneyer-runner-proxy --config $place/runner-proxy.toml sandbox list
  env -i \$(cat $place/env) curl --noproxy '' -v http://$alpha/
END
    sleep infinity
fi
