"""The services of deploy/demo/services as child processes, with the keys of a test as those of its workloads."""

import os
import pathlib
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from . import child, jws
from .odd_issuer import OddIssuer

SERVICES = pathlib.Path(__file__).resolve().parents[2] / "demo/services"
STOP_SECONDS = 10

SVID_AUDIENCE = "http://token-issuer.example"
SANDBOXES, COORDINATORS = "spiffe://demo.example/app/", "spiffe://demo.example/moneyer/coordinator"
SANDBOX, COORDINATOR = f"{SANDBOXES}demo/sandbox/demo-1", f"{COORDINATORS}/1"


@dataclass(frozen=True)
class Service:
    """Where it is, and what it said so far."""

    url: str
    log: pathlib.Path


class Workloads:
    """What a trust domain does for the demo: its keys are published, and sign what a test says."""

    def __init__(self, keys: OddIssuer, issuer: str):
        self._keys, self.issuer = keys, issuer

    def svid(self, subject: str = SANDBOX, header: Mapping | None = None, **changed) -> str:
        """A JWT-SVID; a claim of `None` is left out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": subject, "aud": [SVID_AUDIENCE], "iat": now, "exp": now + 300,
        } | changed
        named = {name: value for name, value in claims.items() if value is not None}
        return self._keys.mint(named, {"typ": "JWT", **(header or {})})

    def signed_by_public_key(self) -> str:
        """HS256 with what everybody knows as its secret."""
        return jws.signed_with_public_key(self.svid(), self._keys.rsa_jwk())


class Demo:
    """Starts its services in one temporary directory; they end with it."""

    def __init__(self, place: pathlib.Path, workloads: Workloads, running: ExitStack):
        self._place, self._running = place, running
        self.secret = os.urandom(32)
        self.workloads = workloads
        (place / "secret").write_bytes(self.secret)

    def start(self, script: str, **settings: str) -> Service:
        """Starts one at a port of its own, and waits until it listens."""
        log = self._place / f"{len(list(self._place.iterdir()))}.log"
        environment = {
            "PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1", "LISTEN": "127.0.0.1:0",
            "SECRET_FILE": str(self._place / "secret"),
        }
        with log.open("w") as written:
            process = subprocess.Popen(
                ["node", SERVICES / script], env=environment | settings, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=written, text=True,
            )
        self._running.callback(process.stdout.close)
        self._running.callback(child.stop, process, STOP_SECONDS)
        # What comes after this line stays in the pipe, which has room for far more than a test makes.
        said = process.stdout.readline()
        assert " listens on " in said, (said, log.read_text())
        return Service(said.split()[-1], log)

    def issuer(self, script: str, **changed: str) -> Service:
        """An issuer that takes the SVIDs of the workloads."""
        return self.start(script, **{
            "ISSUER": f"http://{script.removesuffix('.mjs')}.example", "SVID_KEY_SET": f"{self.workloads.issuer}/keys",
            "SVID_ISSUER": self.workloads.issuer, "SVID_AUDIENCE": SVID_AUDIENCE, "SVID_PREFIX": SANDBOXES,
            "SANDBOX_PREFIX": SANDBOXES, "COORDINATOR_PREFIX": COORDINATORS,
        } | changed)


@contextmanager
def running(place: pathlib.Path):
    """The keys of the workloads are served, and no service runs yet."""
    keys = OddIssuer()
    with keys.serving() as issuer, ExitStack() as stack:
        keys.issuer = issuer
        yield Demo(place, Workloads(keys, issuer), stack)
