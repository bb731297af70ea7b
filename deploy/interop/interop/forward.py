"""A sandbox whose only way out is the forward proxy: real daemons, and models of a token service and of services.

The token service takes a JWT-SVID of the coordinator, verified by its published key set, and gives a token for the
audience that is asked for. A service takes such tokens, notes what it was sent, and also answers as a Git repository
without any software of Git does.
"""

import os
import pathlib
import secrets
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import jwt
import requests

from . import authority, child, exchange, stub

SVID_AUDIENCE = "https://tokens.example"
SANDBOX = "demo-1"
REF = "1234567890123456789012345678901234567890"
READY_SECONDS, STOP_SECONDS, COMMAND_SECONDS = 60, 20, 60


@dataclass
class TokenService:
    """What the model knows: whose assertions it takes, and the key of its tokens."""

    issuer: str
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def client(self, assertion: str) -> str:
        """Who shows an assertion."""
        keys = requests.get(f"{self.issuer}/.well-known/jwks.json", timeout=10).json()
        kid = jwt.get_unverified_header(assertion)["kid"]
        key = next(jwt.PyJWK(one) for one in keys["keys"] if one["kid"] == kid)
        claims = jwt.decode(assertion, key, algorithms=["RS256"], issuer=self.issuer, audience=SVID_AUDIENCE)
        return claims["sub"]

    def token(self, client: str, audience: str, scope: str) -> str:
        now = int(time.time())
        claims = {"sub": client, "azp": client, "aud": audience, "scope": scope, "iat": now, "exp": now + 300}
        return jwt.encode(claims, self.key, algorithm="HS256")


class _Tokens(stub.JsonHandler):
    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        service: TokenService = self.server.expected
        self.server.answers.append(form)
        client = service.client(form["client_assertion"])
        self.answer(200, {
            "access_token": service.token(client, form["audience"], form["scope"]), "token_type": "Bearer",
            "expires_in": 300,
        })


class _Service(stub.JsonHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        key, audience = self.server.expected
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            claims = jwt.decode(token, key, algorithms=["HS256"], audience=audience) if scheme == "Bearer" else None
        except jwt.InvalidTokenError:
            claims = None
        self.server.answers.append((self.path, claims))
        if claims is None:
            self.answer(401, {"error": "no token of mine"})
        elif self.path.startswith("/repo.git/info/refs"):
            self.text(f"{REF}\trefs/heads/main\n")
        elif self.path == "/repo.git/HEAD":
            self.text("ref: refs/heads/main\n")
        else:
            self.answer(200, {"aud": claims["aud"], "azp": claims["azp"]})

    def text(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@dataclass
class Scene:
    """The addresses, what was seen there, and the variables of the sandbox."""

    coordinator: exchange.Coordinator
    alpha: str
    alpha_saw: list
    other: str
    other_saw: list
    tokens_asked: list
    variables: dict[str, str]

    def run(self, *arguments: str | os.PathLike, **more: str) -> subprocess.CompletedProcess:
        """A program in the sandbox: it has the sandbox's variables and a path, and no others."""
        home = self.coordinator.config.parent
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), **self.variables, **more}
        return subprocess.run(
            arguments, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )


@contextmanager
def scene():
    """A sandbox with a grant for alpha, and another service that no profile names."""
    with ExitStack() as running:
        coordinator = running.enter_context(exchange.coordinator())
        place = coordinator.config.parent
        service = TokenService(coordinator.issuer)
        endpoint, asked = running.enter_context(stub.serving(_Tokens, service))
        serve = (place / "server.pem", authority.ELSEWHERE)
        alpha, alpha_saw = running.enter_context(stub.serving(_Service, (service.key, "alpha"), *serve))
        other, other_saw = running.enter_context(stub.serving(_Service, (service.key, "other"), *serve))
        profile = place / "alpha.yaml"
        profile.write_text(_PROFILE.format(endpoint=endpoint, svid=SVID_AUDIENCE, host=authority.ELSEWHERE,
                                           port=urllib.parse.urlsplit(alpha).port))
        coordinator.command("app", "put", "demo")
        coordinator.join("runner-1")
        coordinator.command("sandbox", "put", SANDBOX, "--app", "demo", "--runner", "runner-1")
        coordinator.command("profile", "put", profile)
        coordinator.command("provider", "create", "alpha", "--profile", "alpha", "--runtime-credentials")
        coordinator.command("provider", "attach", "alpha", "--app", "demo")
        variables = running.enter_context(_runner(place))
        yield Scene(coordinator, alpha, alpha_saw, other, other_saw, asked, variables)


@contextmanager
def _runner(place: pathlib.Path):
    """The runner proxy; gives the variables of the sandbox."""
    config, env_file = place / "runner-1/runner-proxy.toml", place / "env"
    tokens, forward = exchange.free_addresses(2)
    config.write_text(config.read_text() + _FORWARD.format(tokens=tokens, forward=forward, place=place))
    program = [pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer-runner-proxy", "--config", config]
    log = place / "runner-proxy.log"
    with log.open("wb") as written:
        process = subprocess.Popen([*program, "serve"], stdin=subprocess.DEVNULL, stdout=written, stderr=written)
    try:
        def attached() -> bool:
            attach = [*program, "sandbox", "attach", SANDBOX, "--env-file", env_file]
            done = subprocess.run(attach, capture_output=True, timeout=COMMAND_SECONDS, check=False)
            return done.returncode == 0 and "\nHTTPS_PROXY=" in env_file.read_text()

        eventually(attached, log)
        lines = env_file.read_text().splitlines()
        yield dict(line.split("=", 1) for line in lines if line)
    finally:
        child.stop(process, STOP_SECONDS)


def eventually(holds: Callable[[], bool], log: pathlib.Path | None = None) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + READY_SECONDS
    while not holds():
        assert time.monotonic() < deadline, log.read_text(errors="replace") if log else "it does not come to hold"
        time.sleep(0.05)


_PROFILE = """
id: alpha
credentials:
  - name: access_token
    token_grant:
      token_endpoint: {endpoint}/token
      jwt_svid_audience: {svid}
      audience: alpha
      scopes: [alpha]
endpoints:
  - host: {host}
    port: {port}
    protocol: rest
    access: read-only
    enforcement: enforce
    allowed_ips: [{host}]
"""

_FORWARD = """
[token_server]
listen = "{tokens}"

[forward]
listen = "{forward}"
roots = ["{place}/authority.pem"]
"""
