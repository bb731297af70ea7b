"""go-spiffe as a workload, told nothing but the sandbox's environment: the library of most of SPIFFE's users."""

import pytest

from interop import cluster as development
from interop import go_spiffe, jws, sandbox

AUDIENCE = "https://ledger.example"
DOMAIN = development.TRUST_DOMAIN
ID = f"spiffe://{DOMAIN}/app/demo/sandbox/"


@pytest.fixture(scope="module")
def one(cluster):
    return sandbox.environment(cluster)


@pytest.fixture(scope="module")
def two(cluster):
    return sandbox.environment(cluster, "demo-2")


@pytest.fixture(scope="module")
def stranger(other):
    return sandbox.environment(other)


@pytest.fixture(scope="module")
def token(one):
    fetched = go_spiffe.ask(one, "jwt", AUDIENCE)
    assert fetched["id"] == f"{ID}demo-1"
    return fetched["token"]


def test_it_is_told_its_svid_and_then_of_another_authority(cluster, one):
    with go_spiffe.running(one, "contexts") as told:
        first = told.next()
        assert (first["id"], first["domains"]) == (f"{ID}demo-1", {DOMAIN: 1})
        assert "failure" not in first
        development.command(cluster, "key", "prepare", "--x509")
        prepared = told.wait_for(lambda said: said["domains"] == {DOMAIN: 2})
        assert prepared["serial"] == first["serial"], "the SVID was made anew for nothing"
        development.command(cluster, "key", "rotate", "--x509", "--emergency")
        renewed = told.wait_for(lambda said: said["serial"] != first["serial"])
        assert "failure" not in renewed


def test_a_jwt_svid_is_good_by_the_bundle_and_by_the_runner(one, two, token):
    assert go_spiffe.ask(one, "validate", AUDIENCE, token) == {"id": f"{ID}demo-1"}
    assert go_spiffe.ask(two, "validate", AUDIENCE, token) == {"id": f"{ID}demo-1"}


def test_what_is_for_another_or_changed_is_refused(one, token):
    with pytest.raises(go_spiffe.Refused, match="InvalidArgument"):
        go_spiffe.ask(one, "validate", "https://another.example", token)
    with pytest.raises(go_spiffe.Refused, match="InvalidArgument"):
        go_spiffe.ask(one, "validate", AUDIENCE, jws.with_byte_changed(token, jws.SIGNATURE, 0.5))


def test_a_jwt_svid_of_another_domain_is_refused(one, stranger):
    theirs = go_spiffe.ask(stranger, "jwt", AUDIENCE)["token"]
    assert go_spiffe.ask(stranger, "validate", AUDIENCE, theirs)["id"].startswith("spiffe://foreign.example/")
    with pytest.raises(go_spiffe.Refused, match="InvalidArgument"):
        go_spiffe.ask(one, "validate", AUDIENCE, theirs)


def test_wit_svids_are_not_implemented_and_it_is_told_so(one):
    assert go_spiffe.ask(one, "wit") == {"unimplemented": True}


def test_two_sandboxes_know_each_other(one, two):
    with go_spiffe.running(one, "serve", f"{ID}demo-2") as server:
        address = server.next()["address"]
        assert go_spiffe.ask(two, "call", address, f"{ID}demo-1") == {"id": f"{ID}demo-1"}
        assert server.next() == {"greeted": f"{ID}demo-2"}
        # It is who it says, and not whom the server wants.
        with pytest.raises(go_spiffe.Refused):
            go_spiffe.ask(one, "call", address, f"{ID}demo-1")
        assert "unexpected ID" in server.next()["refused"]


def test_another_domain_is_refused_at_either_end(one, stranger):
    theirs = "spiffe://foreign.example/app/demo/sandbox/demo-1"
    with go_spiffe.running(one, "serve", theirs) as server:
        with pytest.raises(go_spiffe.Refused, match="no X.509 bundle for trust domain"):
            go_spiffe.ask(stranger, "call", server.next()["address"], f"{ID}demo-1")
    with go_spiffe.running(stranger, "serve", f"{ID}demo-1") as server:
        with pytest.raises(go_spiffe.Refused, match="no X.509 bundle for trust domain"):
            go_spiffe.ask(one, "call", server.next()["address"], theirs)
