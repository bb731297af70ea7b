"""One development cluster for the whole suite, and the tokens its sandbox can get."""

import os
import pathlib
from dataclasses import dataclass, replace

import pytest

from interop import cluster as development
from interop import documents, jws, sandbox
from interop.verifiers import VERIFIERS, Expected

DEFAULT_AUDIENCE = "moneyer"
AWS_AUDIENCE = "sts.amazonaws.com"
SOCKET_AUDIENCE = "https://relying-party.example"
ADDRESS_AUDIENCE = "https://another-relying-party.example"


@dataclass(frozen=True)
class Token:
    """A token and whom it is for."""

    text: str
    audience: str


@pytest.fixture(scope="session")
def cluster():
    """`moneyer dev` from the folder that MONEYER_BIN_DIR names."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    with development.running(moneyer) as started:
        yield started


@pytest.fixture(scope="session")
def tokens(cluster):
    """One token of every way a sandbox gets one."""
    return {
        "default file": Token(sandbox.token_from_file(cluster), DEFAULT_AUDIENCE),
        "aws file": Token(sandbox.token_from_file(cluster, "tokens/aws"), AWS_AUDIENCE),
        "socket": Token(sandbox.token_from_socket(cluster, SOCKET_AUDIENCE), SOCKET_AUDIENCE),
        "address": Token(
            sandbox.token_from_address(cluster, ADDRESS_AUDIENCE), ADDRESS_AUDIENCE
        ),
    }


@pytest.fixture(params=["default file", "aws file", "socket", "address"])
def token(request, tokens):
    """Each of them."""
    return tokens[request.param]


@pytest.fixture(scope="session")
def good(tokens):
    """The token that is changed where it makes no difference which one is."""
    return tokens["socket"]


@pytest.fixture(params=VERIFIERS)
def verify(request):
    """Each verifier."""
    return VERIFIERS[request.param]


@pytest.fixture(scope="session")
def expect(cluster):
    """Makes what a relying party of this cluster expects of a token, in the middle of its life."""

    def of(token: Token, **changed) -> Expected:
        claims = jws.claims(token.text)
        return replace(
            Expected(
                issuer=cluster.issuer,
                audience=token.audience,
                now=(claims["iat"] + claims["exp"]) // 2,
                discover_at=cluster.issuer,
            ),
            **changed,
        )

    return of


@pytest.fixture(scope="session")
def key_set(cluster):
    """The key set as it is served."""
    return documents.fetch(documents.discover(cluster.issuer, cluster.issuer))
