"""Relying parties that live as long as a test: each keeps its library's own cache of the key set."""

import json
import os
import pathlib
import subprocess

import jwt

from . import documents

PROGRAM = pathlib.Path(__file__).with_name("relying_party.mjs")


class PyJwt:
    """PyJWT's `PyJWKClient` with its default cache."""

    name = "PyJWT"

    def __init__(self, issuer: str):
        self._issuer = issuer
        self._client = jwt.PyJWKClient(documents.discover(issuer, issuer))

    def refusal(self, token: str, audience: str) -> str | None:
        """Why it refuses a token, if it does."""
        try:
            key = self._client.get_signing_key_from_jwt(token)
            jwt.decode(
                token, key, algorithms=["RS256"], audience=audience, issuer=self._issuer, leeway=0
            )
        except jwt.PyJWTError as error:
            return repr(error)
        return None

    def close(self) -> None:
        """Nothing is left to end."""


class Jose:
    """npm jose's `createRemoteJWKSet` with its defaults, in a process of its own."""

    name = "npm jose"

    def __init__(self, issuer: str):
        self._process = subprocess.Popen(
            ["node", PROGRAM, issuer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"]},
        )

    def refusal(self, token: str, audience: str) -> str | None:
        """Why it refuses a token, if it does. An ending of the process is a failure of the suite."""
        self._process.stdin.write(json.dumps({"token": token, "audience": audience}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())["refused"]

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        if self._process.wait(10) != 0:
            raise RuntimeError(f"{PROGRAM.name} ended with {self._process.returncode}")
