"""Two sandboxes that speak mTLS by their SVIDs, with Python's `ssl` and with OpenSSL's own tools. A workload of
another trust domain is refused, at either end."""

import os
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager

import pytest

from interop import child, mtls, sandbox, workload
from interop import cluster as development

READY_SECONDS = 15
STOP_SECONDS = 5
OURS, FOREIGN = development.TRUST_DOMAIN, development.FOREIGN_TRUST_DOMAIN


@pytest.fixture(scope="module")
def contexts(client, foreign_client, cluster, second):
    """What three sandboxes hold."""
    with workload.client(sandbox.environment(cluster, second)) as another:
        return {
            "demo-1": client.fetch_x509_context(),
            "demo-2": another.fetch_x509_context(),
            "foreign": foreign_client.fetch_x509_context(),
        }


def tls(side: int, held, trust_domain: str = OURS, trusted=None) -> ssl.SSLContext:
    """By default a workload trusts what its own Workload API tells."""
    return mtls.context(side, held, workload.authorities(trusted or held, trust_domain))


def test_x8_two_sandboxes_know_each_other(contexts):
    served = tls(ssl.PROTOCOL_TLS_SERVER, contexts["demo-1"])
    with mtls.Server(lambda: served, OURS) as server:
        called = mtls.call(server.port, tls(ssl.PROTOCOL_TLS_CLIENT, contexts["demo-2"]), OURS)
    assert called == f"spiffe://{OURS}/app/demo/sandbox/demo-1"
    assert server.seen == [f"spiffe://{OURS}/app/demo/sandbox/demo-2"]
    assert server.refused == []


def test_x8_a_client_of_another_domain_is_refused(contexts):
    served = tls(ssl.PROTOCOL_TLS_SERVER, contexts["demo-1"])
    # It trusts us: the refusal is the server's.
    foreign = tls(ssl.PROTOCOL_TLS_CLIENT, contexts["foreign"], trusted=contexts["demo-1"])
    with mtls.Server(lambda: served, OURS) as server:
        with pytest.raises((OSError, mtls.Refused)):
            mtls.call(server.port, foreign, OURS)
    assert server.seen == []
    (refused,) = server.refused
    assert isinstance(refused, ssl.SSLCertVerificationError)


def test_x8_a_server_of_another_domain_is_refused(contexts):
    served = tls(ssl.PROTOCOL_TLS_SERVER, contexts["foreign"], trusted=contexts["demo-1"])
    with mtls.Server(lambda: served, OURS) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            mtls.call(server.port, tls(ssl.PROTOCOL_TLS_CLIENT, contexts["demo-1"]), OURS)


def test_x8_who_trusts_both_domains_still_tells_them_apart(contexts):
    """A path alone is not enough: the SPIFFE ID says whose bundle counts."""
    both = workload.authorities(contexts["demo-1"], OURS) + workload.authorities(contexts["foreign"], FOREIGN)
    served = mtls.context(ssl.PROTOCOL_TLS_SERVER, contexts["demo-1"], both)
    foreign = tls(ssl.PROTOCOL_TLS_CLIENT, contexts["foreign"], trusted=contexts["demo-1"])
    with mtls.Server(lambda: served, OURS) as server:
        with pytest.raises((OSError, mtls.Refused)):
            mtls.call(server.port, foreign, OURS)
    (refused,) = server.refused
    assert isinstance(refused, mtls.Refused)


@pytest.fixture
def files(contexts, tmp_path):
    """The chain and key of each sandbox, and each domain's bundle."""
    made = {name: workload.save(context, tmp_path, name) for name, context in contexts.items()}
    for name, domain in (("demo-1", OURS), ("foreign", FOREIGN)):
        roots = tmp_path / f"{domain}.roots"
        roots.write_text(workload.authorities(contexts[name], domain))
        made[domain] = roots
    return made


@contextmanager
def s_server(files, name: str, place):
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    chain, key = files[name]
    log = place / "s_server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", chain, "-cert_chain", chain,
             "-key", key, "-CAfile", files[OURS], "-no-CApath", "-no-CAstore", "-Verify", "1",
             "-verify_return_error", "-x509_strict", "-www"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"]},
        )
    deadline = time.monotonic() + READY_SECONDS
    try:
        while "ACCEPT" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield port, log
    finally:
        child.stop(process, STOP_SECONDS)


def s_client(files, name: str, port: int) -> subprocess.CompletedProcess:
    chain, key = files[name]
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-cert", chain, "-cert_chain", chain,
         "-key", key, "-CAfile", files[OURS], "-no-CApath", "-no-CAstore", "-verify_return_error",
         "-x509_strict", "-ign_eof"],
        input="GET / HTTP/1.0\r\n\r\n", capture_output=True, text=True, timeout=READY_SECONDS,
    )


def test_x8_openssls_own_client_and_server_know_each_other(files, tmp_path):
    with s_server(files, "demo-1", tmp_path) as (port, _):
        called = s_client(files, "demo-2", port)
    assert called.returncode == 0, called.stderr
    assert "Verify return code: 0 (ok)" in called.stdout
    assert "HTTP/1.0 200 ok" in called.stdout


def test_x8_openssls_server_refuses_a_client_of_another_domain(files, tmp_path):
    with s_server(files, "demo-1", tmp_path) as (port, log):
        called = s_client(files, "foreign", port)
        assert "HTTP/1.0 200 ok" not in called.stdout
        assert "certificate verify failed" in log.read_text()


def test_x8_openssls_client_refuses_a_server_of_another_domain(files, tmp_path):
    with s_server(files, "foreign", tmp_path) as (port, _):
        called = s_client(files, "demo-1", port)
    assert called.returncode != 0
    assert "certificate verify failed" in called.stderr
