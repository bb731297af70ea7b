"""A cluster that others can federate with by either profile, and one of another trust domain."""

import os
import pathlib
import socket

import pytest

from interop import authority
from interop import cluster as development

WEB = "MONEYER__LISTEN__PUBLIC_TLS__"


def moneyer() -> pathlib.Path:
    return pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"


def free_address() -> str:
    with socket.create_server((authority.ADDRESS, 0)) as found:
        return f"{authority.ADDRESS}:{found.getsockname()[1]}"


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """What servers show by `https_web`, and whom their clients trust."""
    made = authority.make(tmp_path_factory.mktemp("authority"))
    # Its key is in it, and Moneyer takes none that others may read.
    made.server.chmod(0o600)
    return made


@pytest.fixture(scope="session")
def endpoint():
    """Where the bundle is served by `https_spiffe`."""
    return free_address()


@pytest.fixture(scope="session")
def cluster(served, endpoint):
    listen = free_address()
    with development.running(moneyer(), {
        "MONEYER__ISSUER__URL": f"https://{listen}",
        "MONEYER__LISTEN__PUBLIC": listen,
        f"{WEB}CERTIFICATE": str(served.server),
        f"{WEB}KEY": str(served.server),
        # `moneyer dev` reads its own documents, as a relying party.
        "SSL_CERT_FILE": str(served.authority),
        "MONEYER__LISTEN__SPIFFE_BUNDLE": endpoint,
        "MONEYER__FEDERATION__PRIVATE_ADDRESSES": "true",
    }) as started:
        development.attach(started, "demo-2")
        yield started


@pytest.fixture(scope="session")
def other():
    """A cluster that nobody federates with."""
    with development.running(moneyer(), trust_domain=development.FOREIGN_TRUST_DOMAIN) as started:
        yield started
