"""npm's oidc-provider as a child process: an issuer that nobody here wrote."""

import os
import pathlib
import subprocess
from contextlib import contextmanager

import requests

from . import authority
from .exchange import ANSWER_SECONDS, free_addresses

PROGRAM = pathlib.Path(__file__).with_name("oidc_provider.mjs")
CLIENT, SECRET = "builder", "secret"
STOP_SECONDS = 10


class OidcProvider:
    """The issuer, and what one of its clients and its operator do."""

    def __init__(self, process: subprocess.Popen, issuer: str, roots: pathlib.Path):
        self._process, self._roots = process, roots
        self.issuer = issuer

    def token(self) -> str:
        """A token of its one client, by its client credentials."""
        answer = requests.post(
            f"{self.issuer}/token", auth=(CLIENT, SECRET), verify=str(self._roots), timeout=ANSWER_SECONDS,
            data={"grant_type": "client_credentials", "scope": "api", "resource": "urn:moneyer"},
        )
        answer.raise_for_status()
        return answer.json()["access_token"]

    def rotate(self) -> None:
        """Another key signs from now on."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._said()

    def jwks_uri(self) -> str:
        """By its discovery document."""
        address = f"{self.issuer}/.well-known/openid-configuration"
        return requests.get(address, verify=str(self._roots), timeout=ANSWER_SECONDS).json()["jwks_uri"]

    def _said(self) -> str:
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{PROGRAM.name} ended with {self._process.wait(STOP_SECONDS)}")
        return line

    @classmethod
    @contextmanager
    def running(cls, served: authority.Served, audience: str):
        """Starts it with this certificate."""
        address, = free_addresses(1)
        process = subprocess.Popen(
            ["node", PROGRAM, authority.HOST, address.rpartition(":")[2], served.server, audience],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1"},
        )
        provider = cls(process, "", served.authority)
        try:
            provider.issuer = provider._said()
            yield provider
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(STOP_SECONDS)
