"""Token exchange at a coordinator of its own: `moneyer serve`, beside a model of an API server whose accounts it knows.

The model publishes a key set over https and signs what a test says. Operators log in with a JWT-SVID of a trust domain
whose keys are in a file, so that they reach the management API as a client of Jwtlet does: over TCP, with a bearer
token.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import requests

from . import authority, stub
from .odd_issuer import OddIssuer

CLUSTER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "moneyer"
# The audience of tokens where none is asked for: `tokens.default_audience`.
USUAL_AUDIENCE = "moneyer"
DOMAIN = "operators.example"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
READY_SECONDS, STOP_SECONDS, COMMAND_SECONDS, ANSWER_SECONDS = 60, 20, 60, 20


class CoordinatorFailed(Exception):
    """It did not come up, or did not go down."""


class ApiServer:
    """What a Kubernetes API server does for token exchange: it has keys, and signs tokens of service accounts."""

    def __init__(self):
        self._keys = OddIssuer()

    def key_set(self) -> dict:
        return {"keys": [self._keys.rsa_jwk()]}

    def token(self, client: str, **changed) -> str:
        """A projected token of `system:serviceaccount:NAMESPACE:NAME`; a claim of `None` is left out."""
        namespace, name = client.split(":")[2:4]
        now = int(time.time())
        claims = {
            "iss": CLUSTER, "sub": client, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 600,
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": f"uid-of-{name}"},
                "pod": {"name": f"{name}-0", "uid": f"uid-of-{name}-0"},
            },
        } | changed
        return self._keys.mint({name: value for name, value in claims.items() if value is not None})

    def jwt_svid(self, audience: str, path: str) -> str:
        """A proof of an operator. That its keys are an API server's too is of no matter."""
        now = int(time.time())
        return self._keys.mint(
            {"sub": f"spiffe://{DOMAIN}/{path}", "aud": [audience], "iat": now, "exp": now + 300}, {"typ": "JWT"}
        )

    @contextmanager
    def serving(self, certificate: pathlib.Path):
        """Gives the address of the key set."""
        with stub.serving(_KeySet, self.key_set(), certificate) as (address, _):
            yield f"{address}/openid/v1/jwks"


class _KeySet(stub.JsonHandler):
    def do_GET(self):
        self.answer(200, self.server.expected)


@dataclass(frozen=True)
class Coordinator:
    """Where it is, and who lets whom in."""

    issuer: str
    exchange: str
    remote: str
    operations: str
    grpc: str
    config: pathlib.Path
    api_server: ApiServer
    process: subprocess.Popen

    def command(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess:
        """A command of an operator of this machine."""
        return subprocess.run(
            [_program("moneyer"), "--config", self.config, *map(str, arguments)],
            check=check, capture_output=True, text=True, timeout=COMMAND_SECONDS,
        )

    def join(self, runner: str) -> None:
        """A runner joins; its proxy does not run."""
        place = self.config.parent / runner
        place.mkdir()
        config = place / "runner-proxy.toml"
        config.write_text(_RUNNER.format(grpc=self.grpc, place=place))
        token = self.command("runner", "invite", runner, "--output", "json").stdout
        subprocess.run(
            [_program("moneyer-runner-proxy"), "--config", config, "join", "-"], check=True, text=True,
            input=json.loads(token)["join_token"], capture_output=True, timeout=COMMAND_SECONDS,
        )

    def operator(self, path: str, *permissions: str) -> str:
        """The token of an operator elsewhere who may do this."""
        permitted = [word for permission in permissions for word in ("--permit", permission)]
        self.command("policy", "put", path, "--match", f"spiffe://{DOMAIN}/{path}", *permitted)
        proof = self.api_server.jwt_svid(f"{self.issuer}/v1/login/spiffe", path)
        answer = requests.post(f"{self.exchange}/v1/login/spiffe", json={"jwt_svid": proof}, timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        return answer.json()["access_token"]

    def token(self, subject_token: str, more: dict) -> requests.Response:
        """What is answered to a form. A value of `None` takes a parameter away, a list gives it several times."""
        form = {
            "grant_type": GRANT, "subject_token": subject_token, "subject_token_type": JWT, "resource": "pc1",
        } | more
        form = {name: value for name, value in form.items() if value is not None}
        return requests.post(f"{self.exchange}/token", data=form, timeout=ANSWER_SECONDS)


@contextmanager
def coordinator(settings: Mapping[str, str] | None = None, tables: str = "", files: Mapping[str, str] | None = None):
    """Starts a coordinator whose `[exchange]` has one cluster, `prod`, and stops it as a service manager does.

    `tables` is more of its configuration, where `{place}` is a directory with `authority.pem` and these files.
    """
    # The system's own temporary directory: a socket's path has room for 107 bytes.
    with tempfile.TemporaryDirectory(prefix="moneyer-") as directory, ExitStack() as running:
        place = pathlib.Path(directory)
        for name, text in (files or {}).items():
            (place / name).write_text(text)
        _write_seal_key(place / "seal.key")
        served = authority.make(place)
        api_server = ApiServer()
        jwks = running.enter_context(api_server.serving(served.server))
        (place / "operators.json").write_text(json.dumps(api_server.key_set()))
        public, exchange, remote, operations, grpc = addresses = free_addresses(5)
        config = place / "moneyer.toml"
        config.write_text(_CONFIG.format(place=place, jwks=jwks, cluster=CLUSTER, audience=AUDIENCE, domain=DOMAIN,
                                         public=public, exchange=exchange, remote=remote, operations=operations,
                                         grpc=grpc)
                          + tables.format(place=place))
        log = running.enter_context((place / "moneyer.log").open("wb"))
        process = subprocess.Popen(
            [_program("moneyer"), "--config", config, "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": directory, **(settings or {})},
        )
        try:
            _wait_until_ready(operations, process, place)
            urls = (f"http://{address}" for address in addresses[:4])
            started = Coordinator(*urls, grpc, config, api_server, process)
            _wait_until_known(started)
            yield started
        finally:
            _stop(process, place)


def free_addresses(count: int) -> list[str]:
    """Addresses of this machine where nobody listens. All are held until the last is found."""
    with ExitStack() as held:
        found = [held.enter_context(socket.create_server((authority.ADDRESS, 0))) for _ in range(count)]
        return ["{}:{}".format(*one.getsockname()) for one in found]


def escaped(text: str) -> str:
    """A text as one segment of a path."""
    return urllib.parse.quote(text, safe="")


_CONFIG = """
[issuer]
url = "http://{public}"

[listen]
public = "{public}"
exchange = "{exchange}"
management_remote = "{remote}"
operations = "{operations}"
grpc = "{grpc}"
management = "unix:{place}/management.sock"
leave_after = "0s"

[keys]
algorithm = "RS256"

[store]
path = "{place}/store"

[seal]
key_file = "{place}/seal.key"

[audit]
path = "{place}/audit"

[[login.trust_domain]]
name = "{domain}"
jwks_file = "{place}/operators.json"

[exchange]
jwtlet_compatible_errors = true

[[exchange.cluster]]
name = "prod"
plain_clients = true
issuer = "{cluster}"
audiences = ["{audience}"]
jwks_url = "{jwks}"
ca_file = "{place}/authority.pem"
"""


_RUNNER = """
[coordinator]
address = "{grpc}"
trust_domain = "127.0.0.1"

[runner]
state = "{place}/state"
run = "{place}/run"
"""


def _program(name: str) -> pathlib.Path:
    return pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / name


def _write_seal_key(path: pathlib.Path) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(os.urandom(32))


def _wait_until_ready(operations: str, process: subprocess.Popen, place: pathlib.Path) -> None:
    def ready() -> bool:
        try:
            return requests.get(f"http://{operations}/readyz", timeout=ANSWER_SECONDS).status_code == 200
        except requests.ConnectionError:
            return False

    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if process.poll() is not None:
            raise CoordinatorFailed(f"moneyer serve ended with {process.returncode}:\n{_log(place)}")
        if time.monotonic() > deadline:
            raise CoordinatorFailed(f"not ready after {READY_SECONDS} s:\n{_log(place)}")
        time.sleep(0.05)


def _wait_until_known(started: Coordinator) -> None:
    """Keys are fetched after the start, and until then nobody knows an account."""
    deadline = time.monotonic() + READY_SECONDS
    token = started.api_server.token("system:serviceaccount:nobody:nobody")
    while started.token(token, {}).status_code == 503:
        if time.monotonic() > deadline:
            raise CoordinatorFailed("the key set of the API server was not fetched")
        time.sleep(0.05)


def _stop(process: subprocess.Popen, place: pathlib.Path) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise CoordinatorFailed(f"SIGTERM did not end moneyer serve:\n{_log(place)}") from None
    if code != 0:
        raise CoordinatorFailed(f"moneyer serve ended with {code} after SIGTERM:\n{_log(place)}")


def _log(place: pathlib.Path) -> str:
    return (place / "moneyer.log").read_text(errors="replace")
