"""What an SVID is checked with where nobody knows SPIFFE: `openssl verify` and PyJWT, by the published bundles."""

import json
import subprocess
import urllib.request

import jwt
import pytest
from jwt import PyJWK

from interop import cluster as development
from interop import documents, jws, workload

AUDIENCE = "https://ledger.example"
ANSWER_SECONDS = 10
VIEWS = ["spiffe-bundle.pem", "Workload API"]
# RFC 5280 to the letter, for both ends of a connection.
STRICT = ["-x509_strict", "-check_ss_sig", "-purpose"]


@pytest.fixture(scope="module")
def context(client):
    return client.fetch_x509_context()


@pytest.fixture(scope="module")
def foreign_context(foreign_client):
    return foreign_client.fetch_x509_context()


@pytest.fixture(scope="module")
def token(client):
    return client.fetch_jwt_svid({AUDIENCE}).token


def published(cluster, name: str) -> str:
    url = f"{cluster.issuer}/.well-known/{name}"
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as response:
        return response.read().decode()


def trusted(view: str, cluster, context, trust_domain: str) -> str:
    if view == "Workload API":
        return workload.authorities(context, trust_domain)
    return published(cluster, view)


def openssl_verify(place, roots: str, context, purpose: str) -> subprocess.CompletedProcess:
    chain, _ = workload.save(context, place, "svid")
    (place / "roots.pem").write_text(roots)
    (place / "none").mkdir(exist_ok=True)
    return subprocess.run(
        ["openssl", "verify", *STRICT, purpose, "-no-CApath", "-no-CAstore", "-CAfile", place / "roots.pem",
         "-untrusted", chain, chain],
        capture_output=True, text=True, timeout=ANSWER_SECONDS,
    )


@pytest.mark.parametrize("purpose", ["sslclient", "sslserver"])
@pytest.mark.parametrize("view", VIEWS)
def test_x8_openssl_accepts_the_chain(cluster, context, tmp_path, view, purpose):
    roots = trusted(view, cluster, context, development.TRUST_DOMAIN)
    verified = openssl_verify(tmp_path, roots, context, purpose)
    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize("view", VIEWS)
def test_x8_openssl_refuses_the_chain_by_another_domains_bundle(
    foreign, context, foreign_context, tmp_path, view
):
    roots = trusted(view, foreign, foreign_context, development.FOREIGN_TRUST_DOMAIN)
    assert openssl_verify(tmp_path, roots, foreign_context, "sslclient").returncode == 0
    refused = openssl_verify(tmp_path, roots, context, "sslclient")
    assert refused.returncode != 0
    assert "unable to get" in refused.stderr


def key(cluster, token: str, name: str) -> PyJWK:
    """The token's key as a verifier without SPIFFE finds it, by its `kid`."""
    keys = json.loads(published(cluster, name))["keys"]
    (found,) = [entry for entry in keys if entry.get("kid") == jws.header(token)["kid"]]
    return PyJWK(found, algorithm="RS256")


def verify(token: str, by: PyJWK, audience: str = AUDIENCE) -> dict:
    return jwt.decode(
        token, by, algorithms=["RS256"], audience=audience, options={"require": ["exp", "aud", "sub"]}
    )


@pytest.mark.parametrize("name", ["spiffe-jwks.json", "spiffe-bundle"])
def test_j10_pyjwt_accepts_a_jwt_svid_by_what_is_published(cluster, token, name):
    claims = verify(token, key(cluster, token, name))
    assert claims["sub"] == f"spiffe://{development.TRUST_DOMAIN}/app/demo/sandbox/demo-1"
    assert jws.header(token).keys() == {"alg", "kid", "typ"}


def test_b5_the_entry_is_for_jwt_svids(cluster, token):
    (entry,) = [
        entry for entry in documents.fetch(f"{cluster.issuer}/.well-known/spiffe-bundle")["keys"]
        if entry.get("kid") == jws.header(token)["kid"]
    ]
    assert entry["use"] == "jwt-svid"


@pytest.mark.parametrize("part", [jws.HEADER, jws.PAYLOAD, jws.SIGNATURE])
def test_j10_pyjwt_refuses_a_changed_jwt_svid(cluster, token, part):
    with pytest.raises(jwt.InvalidTokenError):
        verify(jws.with_byte_changed(token, part, 0.5), key(cluster, token, "spiffe-jwks.json"))


def test_j7_pyjwt_refuses_a_jwt_svid_for_another(cluster, token):
    with pytest.raises(jwt.InvalidAudienceError):
        verify(token, key(cluster, token, "spiffe-jwks.json"), "https://another.example")


def test_j10_pyjwt_refuses_a_jwt_svid_of_another_domain(cluster, token, foreign_client):
    theirs = foreign_client.fetch_jwt_svid({AUDIENCE}).token
    with pytest.raises(jwt.InvalidSignatureError):
        verify(theirs, key(cluster, token, "spiffe-jwks.json"))


def test_o1_its_issuer_is_that_of_the_discovery_document(cluster, token):
    discovered = documents.fetch(cluster.issuer + documents.DISCOVERY_PATH)
    assert jws.claims(token)["iss"] == discovered["issuer"]
