"""Envoy's SPIFFE validator at both ends of mTLS, by the PEM bundle and by the bundle document that the issuer
publishes."""

import http.client
import json
import ssl
import urllib.error
import urllib.request

import pytest

from interop import cluster as development
from interop import documents, mtls, proxies, sandbox, workload

ANSWER_SECONDS = 10
OURS, FOREIGN = development.TRUST_DOMAIN, development.FOREIGN_TRUST_DOMAIN
FIRST, SECOND = (f"spiffe://{OURS}/app/demo/sandbox/{name}" for name in ("demo-1", "demo-2"))
THEIRS = f"spiffe://{FOREIGN}/app/demo/sandbox/demo-1"


@pytest.fixture(scope="module")
def contexts(client, foreign_client, cluster, second):
    with workload.client(sandbox.environment(cluster, second)) as another:
        return {
            FIRST: client.fetch_x509_context(),
            SECOND: another.fetch_x509_context(),
            THEIRS: foreign_client.fetch_x509_context(),
        }


@pytest.fixture(scope="module")
def ports(cluster, foreign, contexts, tmp_path_factory):
    """Where Envoy listens."""
    place = tmp_path_factory.mktemp("envoy")
    chain, key = workload.save(contexts[FIRST], place, "first")
    second_chain, second_key = workload.save(contexts[SECOND], place, "second")
    foreign_chain, foreign_key = workload.save(contexts[THEIRS], place, "foreign")
    pem, bundles = place / "bundle.pem", place / "bundles.json"
    with urllib.request.urlopen(f"{cluster.issuer}/.well-known/spiffe-bundle.pem") as response:
        pem.write_bytes(response.read())
    both = {OURS: certificates(cluster), FOREIGN: certificates(foreign)}
    bundles.write_text(json.dumps({"trust_domains": both}))
    found = {name: proxies.free_port() for name in ("both", "foreign", "out")}
    known = {
        "chain": chain, "key": key, "second_chain": second_chain, "second_key": second_key,
        "foreign_chain": foreign_chain, "foreign_key": foreign_key, "pem": pem, "map": bundles,
        "trust_domain": OURS, **{f"{name}_port": port for name, port in found.items()},
    }
    with proxies.daemon(place, "envoy-spiffe.yaml", known, proxies.ENVOY) as url:
        yield found | {"ours": int(url.rpartition(":")[2])}


def certificates(cluster) -> dict:
    """The published bundle without keys for JWT-SVIDs: Envoy refuses a document that has one."""
    bundle = documents.fetch(f"{cluster.issuer}/.well-known/spiffe-bundle")
    return bundle | {"keys": [key for key in bundle["keys"] if key["use"] == "x509-svid"]}


def ask(port: int, contexts, who: str, trusted: str = FIRST) -> str:
    """Asks Envoy with an SVID; gives the SPIFFE ID that it saw."""
    roots = workload.authorities(contexts[trusted], OURS)
    tls = mtls.context(ssl.PROTOCOL_TLS_CLIENT, contexts[who], roots)
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=ANSWER_SECONDS, context=tls)
    try:
        connection.request("GET", "/")
        assert mtls.peer(connection.sock, OURS) == FIRST
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.headers["x-peer"]
    finally:
        connection.close()


def go_out(ports, path: str) -> tuple[int, str]:
    """Through the way out of the second sandbox: the status, and the SPIFFE ID that the other end saw or the
    reason why there was none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['out']}{path}", timeout=ANSWER_SECONDS) as answer:
            return answer.status, answer.headers["x-peer"]
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_x8_envoy_answers_an_svid_of_our_domain(ports, contexts):
    assert ask(ports["ours"], contexts, SECOND) == SECOND


def test_x8_envoy_refuses_an_svid_of_another_domain(ports, contexts):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(ports["ours"], contexts, THEIRS)


def test_x8_envoy_at_both_ends(ports):
    assert go_out(ports, "/ours") == (200, SECOND)


def test_x8_envoy_refuses_a_server_of_another_domain(ports):
    status, reason = go_out(ports, "/foreign")
    assert status == 503
    assert "CERTIFICATE_VERIFY_FAILED" in reason


def test_b9_envoy_reads_our_bundle_document_in_a_map(ports, contexts):
    assert ask(ports["both"], contexts, SECOND) == SECOND
    assert ask(ports["both"], contexts, THEIRS) == THEIRS
