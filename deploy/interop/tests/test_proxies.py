"""Proxies in front of a service: they let our tokens through and stop the others."""

import os
import pathlib
import subprocess
import time

import pytest

from interop import cluster as development
from interop import documents, forged, jws, proxies, sandbox

AUDIENCE = "https://behind-a-proxy.example"
ANSWER_SECONDS = 60
# None of them forgives so much; Envoy a second, as its template says.
SKEW_SECONDS = 10
NAMES = ["Envoy", "HAProxy", "mod_auth_openidc", "mod_oauth2"]


@pytest.fixture(scope="module")
def cluster():
    """One whose tokens may live for seconds."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    with development.running(moneyer, {"MONEYER__TOKENS__MINIMUM_LIFETIME": "1s"}) as started:
        yield started


@pytest.fixture(scope="module")
def running(cluster):
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    command = [moneyer, "--config", cluster.config, "key", "export", "--form", "pem"]
    pem = subprocess.run(command, check=True, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    with proxies.running(cluster.issuer, AUDIENCE, pem.stdout) as started:
        yield started


@pytest.fixture(params=NAMES)
def proxy(request, running):
    """Each of them."""
    return running[request.param]


@pytest.fixture(scope="module")
def good(cluster):
    return sandbox.token_from_socket(cluster, AUDIENCE)


@pytest.fixture(scope="module")
def short(cluster):
    """A token that is over before it comes to its test."""
    return sandbox.token_from_socket(cluster, AUDIENCE, ttl=1)


def test_a_token_of_ours_is_let_through(proxy, good):
    assert proxy.status(good) == 200


def test_nobody_is_let_through_without_a_token(proxy):
    assert proxy.status(None) == 401


def refuses(proxy, token: str, path: str = "") -> None:
    # 403 where a proxy knows who it is and whom it wants.
    assert proxy.status(token, path) in (401, 403)


def test_a_token_for_another_audience_is_stopped(proxy, cluster):
    refuses(proxy, sandbox.token_from_socket(cluster, "https://another.example"))


def test_a_token_of_another_issuer_is_stopped(proxy, good):
    """The token is good and so is the key; the proxy expects another issuer."""
    refuses(proxy, good, "/elsewhere")


@pytest.mark.parametrize("name", ["mod_auth_openidc", "mod_oauth2"])
def test_apache_asks_for_no_audience_by_itself(running, cluster, name):
    """What docs/clouds.md warns of. So it is the required lines that stop a token, and not something else."""
    token = sandbox.token_from_socket(cluster, "https://another.example")
    assert running[name].status(token, "/anybody") == 200


def test_a_forged_token_is_stopped(proxy, good):
    refuses(proxy, forged.signed_by_another_key(good))


def test_a_token_of_a_key_that_nobody_knows_is_stopped(proxy, good):
    refuses(proxy, forged.signed_by_another_key(good, kid="nobody-knows-it"))


@pytest.mark.parametrize("index", [jws.HEADER, jws.PAYLOAD, jws.SIGNATURE])
def test_a_changed_token_is_stopped(proxy, good, index):
    refuses(proxy, jws.with_byte_changed(good, index, 0.5))


def test_a_token_without_a_signature_is_stopped(proxy, good):
    refuses(proxy, jws.unsecured(good))


def test_a_token_signed_with_the_public_key_is_stopped(proxy, good, cluster):
    key_set = documents.fetch(documents.discover(cluster.issuer, cluster.issuer))
    refuses(proxy, jws.signed_with_public_key(good, key_set["keys"][0]))


def test_an_expired_token_is_stopped(proxy, short):
    """Not a forged one: until its end it is let through."""
    over = jws.claims(short)["exp"] + SKEW_SECONDS
    while proxy.status(short) == 200:
        assert time.time() < over, "it was let through long after its end"
        time.sleep(0.1)
    refuses(proxy, short)
