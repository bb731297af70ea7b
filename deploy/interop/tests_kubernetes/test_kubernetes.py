"""A real API server, as a relying party: a sandbox is a user of it, with the rights that are bound to that user.

It is 1.20, the last that Debian has the source of, which does not read the `AuthenticationConfiguration` that
`moneyer trust kubernetes` prints. It is given the older `--oidc-*` flags, each with the value that is printed; that a
newer one reads the file is NOT tried. The binding is applied as it is printed. The issuer serves https
by itself.
"""

import itertools
import json
import os
import pathlib
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from interop import authority, forged, jws, kubernetes, sandbox
from interop import cluster as development

AUDIENCE = "https://kubernetes.example"
TOKEN_FILE = "tokens/kubernetes"
USER, GROUP = "moneyer:org:acme:app:demo", "moneyer:app:demo"
# Whoever it knows may ask what it serves, and nobody else.
KNOWN = "/api"
PODS, SECRETS = (f"/api/v1/namespaces/default/{kind}" for kind in ("pods", "secrets"))
ANSWER_SECONDS = 60
# It reads discovery ten seconds after its start at the latest.
FIRST_SECONDS = 60
# A good token is looked at once in so many seconds.
CACHE_SECONDS = 10
MOMENT = 5
# It keeps a key set until half a minute before its end: here a quarter of a minute.
MAX_AGE = 45
_lifetimes = itertools.count(900)


@dataclass(frozen=True)
class Trusting:
    """An API server and the cluster it trusts."""

    server: kubernetes.ApiServer
    cluster: development.Cluster
    printed: kubernetes.Printed

    def status(self, token: str, path: str = KNOWN) -> int:
        return self.server.ask(token, path)[0]

    def refuses(self, token: str, reason: str = "invalid bearer token") -> None:
        """The caller is told nothing: the reason is in the log."""
        written = self.server.log.stat().st_size
        status, answer = self.server.ask(token, KNOWN)
        assert (status, answer.get("message")) == (401, "Unauthorized")
        with self.server.log.open() as log:
            log.seek(written)
            assert reason in log.read()


def moneyer(cluster, *arguments: str) -> str:
    ended = subprocess.run(
        [program(), "--config", cluster.config, *arguments], check=True, capture_output=True,
        text=True, timeout=ANSWER_SECONDS,
    )
    return ended.stdout


def program() -> pathlib.Path:
    return pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"


def put_audience(cluster, subject: str = "app") -> None:
    moneyer(cluster, "audience", "put", "kubernetes", "--preset", "kubernetes", "--value", AUDIENCE,
            "--subject", subject)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Issuer and API server have the same certificate."""
    made = authority.make(tmp_path_factory.mktemp("authority"))
    # Its key is in it, and Moneyer takes none that others may read.
    made.server.chmod(0o600)
    return made


@contextmanager
def trusted(served, publish_before_use: str):
    """A cluster that speaks https, whose tokens may live for seconds, and an API server that has what it prints."""
    with socket.create_server((authority.ADDRESS, 0)) as found:
        listen = f"{authority.ADDRESS}:{found.getsockname()[1]}"
    settings = {
        "MONEYER__ISSUER__URL": f"https://{listen}",
        "MONEYER__LISTEN__PUBLIC": listen,
        "MONEYER__LISTEN__PUBLIC_TLS__CERTIFICATE": str(served.server),
        "MONEYER__LISTEN__PUBLIC_TLS__KEY": str(served.server),
        # `moneyer dev` reads its own documents, as a relying party.
        "SSL_CERT_FILE": str(served.authority),
        "MONEYER__KEYS__MAX_AGE": f"{MAX_AGE}s",
        "MONEYER__KEYS__PUBLISH_BEFORE_USE": publish_before_use,
        "MONEYER__TOKENS__MINIMUM_LIFETIME": "1s",
    }
    apiserver = pathlib.Path(os.environ["MONEYER_KUBE_APISERVER"])
    with development.running(program(), settings) as cluster:
        put_audience(cluster)
        printed = kubernetes.read(moneyer(cluster, "trust", "kubernetes", "--app", "demo"))
        with kubernetes.running(apiserver, served, printed.flags()) as server:
            trusting = Trusting(server, cluster, printed)
            token = fresh(cluster)
            eventually(lambda: trusting.status(token) == 200, FIRST_SECONDS, "it takes no token")
            yield trusting


def fresh(cluster) -> str:
    """A token that nobody had before: the host remembers tokens by their lifetime too, and the API server each good
    one for a while."""
    return sandbox.token_from_socket(cluster, AUDIENCE, ttl=next(_lifetimes))


def eventually(holds: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)


@pytest.fixture(scope="module")
def trusting(served):
    with trusted(served, f"{MAX_AGE}s") as started:
        yield started


@pytest.fixture(scope="module")
def good(trusting):
    return fresh(trusting.cluster)


def test_a_sandbox_has_the_rights_that_are_bound_to_its_app(trusting):
    """The token is its own, from its file; the binding is what was printed."""
    there = trusting.cluster.sandbox_directory / TOKEN_FILE
    eventually(there.exists, ANSWER_SECONDS, "the sandbox has no token for the API server")
    token = sandbox.token_from_file(trusting.cluster, TOKEN_FILE)
    status, answer = trusting.server.ask(token, PODS)
    assert status == 403
    assert f'User "{USER}" cannot list resource "pods"' in answer["message"]
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    status, answer = trusting.server.ask(trusting.server.administrator, bindings, trusting.printed.binding)
    assert status == 201, answer
    eventually(lambda: trusting.status(token, PODS) == 200, ANSWER_SECONDS, "the binding binds nobody")
    # The role is `view`, and no more.
    assert trusting.status(token, SECRETS) == 403


def test_it_is_a_user_and_of_the_group_of_its_app(trusting, good):
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": good}}
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    status, answer = trusting.server.ask(trusting.server.administrator, reviews, json.dumps(review))
    assert (status, answer["status"]["authenticated"]) == (201, True), answer
    assert answer["status"]["user"] == {"username": USER, "groups": [GROUP, "system:authenticated"]}


def test_a_token_for_another_audience_is_refused(trusting):
    token = sandbox.token_from_socket(trusting.cluster, "https://another.example")
    trusting.refuses(token, f'expected audience "{AUDIENCE}" got ["https://another.example"]')


def test_a_token_with_another_subject_is_refused(trusting):
    """Of the same key and for the same audience: it is the printed rule that stops it."""
    put_audience(trusting.cluster, subject="sandbox")
    try:
        token = fresh(trusting.cluster)
    finally:
        put_audience(trusting.cluster)
    assert jws.claims(token)["sub"] == "org:acme:app:demo:sandbox:demo-1"
    trusting.refuses(token, "required claim sub value does not match")


def test_an_expired_token_is_refused(trusting):
    """Not a forged one: it was good a moment ago."""
    short = sandbox.token_from_socket(trusting.cluster, AUDIENCE, ttl=2)
    assert trusting.status(short) == 200
    over = jws.claims(short)["exp"] - time.time() + CACHE_SECONDS + MOMENT
    eventually(lambda: trusting.status(short) == 401, over, "it was taken long after its end")
    trusting.refuses(short, "token is expired")


def test_a_forged_token_is_refused(trusting, good):
    trusting.refuses(forged.signed_by_another_key(good), "failed to verify id token signature")


def test_a_token_of_a_key_that_nobody_knows_is_refused(trusting, good):
    token = forged.signed_by_another_key(good, kid="nobody-knows-it")
    trusting.refuses(token, "failed to verify id token signature")


@pytest.mark.parametrize("index", [jws.HEADER, jws.PAYLOAD, jws.SIGNATURE])
def test_a_changed_token_is_refused(trusting, good, index):
    trusting.refuses(jws.with_byte_changed(good, index, 0.5))


def test_a_token_without_a_signature_is_refused(trusting, good):
    trusting.refuses(jws.unsecured(good))


def test_a_token_of_another_issuer_is_refused(trusting):
    """Of another cluster of the same organization, for the same audience."""
    with development.running(program()) as other:
        put_audience(other)
        token = fresh(other)
    ours = fresh(trusting.cluster)
    assert all(jws.claims(token)[name] == jws.claims(ours)[name] for name in ("sub", "aud", "app"))
    trusting.refuses(token)


def rotate(trusting) -> tuple[str, str]:
    """A token of the key before and the first of the key after, neither of which was shown to the API server."""
    before = after = fresh(trusting.cluster)
    moneyer(trusting.cluster, "key", "rotate")
    deadline = time.monotonic() + MAX_AGE + ANSWER_SECONDS
    while jws.header(after)["kid"] == jws.header(before)["kid"]:
        assert time.monotonic() < deadline, "no other key signs"
        time.sleep(0.5)
        after = fresh(trusting.cluster)
    return before, after


def test_after_a_rotation_both_keys_are_taken(trusting):
    before, after = rotate(trusting)
    # The new one first: with it comes the key set that the other is looked up in.
    assert trusting.status(after) == 200
    assert trusting.status(before) == 200


def test_without_publication_before_use_the_new_key_is_refused_at_first(served):
    """Why a key is published before it signs, and what docs/relying-parties/kubernetes.md says of older API servers:
    they ask for no key set while the one they hold is good for half a minute more."""
    with trusted(served, "0s") as trusting:
        before, after = rotate(trusting)
        trusting.refuses(after, "failed to verify id token signature")
        eventually(lambda: trusting.status(after) == 200, MAX_AGE, "it asks for no other key set")
        assert trusting.status(before) == 200
