"""Every trick of the proxy's corpus, over sockets of somebody else's making and against the real daemons.

The corpus is that which the fuzzer begins with (`issuer/fuzz/seeds/forward`): `P` and what is sent to the proxy, or `T`
and what is sent inside of a tunnel.
"""

import base64
import pathlib
import socket
import ssl
import urllib.parse

import pytest
import requests

from interop import forward

SEEDS = pathlib.Path(__file__).resolve().parents[3] / "issuer/fuzz/seeds/forward"
TRICKS = sorted(seed for seed in SEEDS.iterdir() if not seed.name.startswith("honest"))
SECONDS = 20


@pytest.fixture(scope="module")
def scene():
    with forward.scene() as started:
        yield started


def connect(scene) -> tuple[socket.socket, bytes]:
    """A connection to the proxy, and the line that says whose it is."""
    proxy = urllib.parse.urlsplit(scene.variables["HTTPS_PROXY"])
    pair = base64.b64encode(f"{proxy.username}:{proxy.password}".encode())
    stream = socket.create_connection((proxy.hostname, proxy.port), SECONDS)
    return stream, b"Proxy-Authorization: Basic " + pair + b"\r\n"


def tunnel(scene, encrypted: bool) -> socket.socket:
    alpha = urllib.parse.urlsplit(scene.alpha)
    stream, credentials = connect(scene)
    stream.sendall(f"CONNECT {alpha.netloc} HTTP/1.1\r\nHost: {alpha.netloc}\r\n".encode() + credentials + b"\r\n")
    assert answer(stream).startswith(b"HTTP/1.1 200 ")
    if not encrypted:
        return stream
    context = ssl.create_default_context(cafile=scene.variables["SSL_CERT_FILE"])
    return context.wrap_socket(stream, server_hostname=alpha.hostname)


def answer(stream: socket.socket) -> bytes:
    """As far as the end of its head; all there is where the connection ends before."""
    said = b""
    try:
        while b"\r\n\r\n" not in said and (more := stream.recv(4096)):
            said += more
    except ConnectionError:
        pass
    return said


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
def test_it_is_refused_without_a_token_and_reaches_nobody(scene, trick):
    alpha = urllib.parse.urlsplit(scene.alpha)
    kind, text = trick.read_bytes()[:1], trick.read_bytes()[1:]
    for of_corpus, here in ((b"{A}", alpha.netloc), (b"{P}", str(alpha.port)), (b"api.test", alpha.hostname)):
        text = text.replace(of_corpus, here.encode())
    for encrypted in (False, True) if kind == b"T" else (False,):
        stream, credentials = (tunnel(scene, encrypted), b"") if kind == b"T" else connect(scene)
        # The corpus means a tunnel with TLS; without it the other scheme is the other one.
        sent = text.replace(b"http://", b"https://") if kind == b"T" and not encrypted else text
        with stream:
            stream.sendall(sent.replace(b"{C}", credentials))
            refused = answer(stream)
        assert refused == b"" or refused.split(b" ")[1][:1] == b"4", refused
        assert b"eyJ" not in refused
        assert (scene.tokens_asked, scene.alpha_saw, scene.other_saw) == ([], [], [])


def test_an_honest_request_passes_after_all_of_them(scene):
    session = requests.Session()
    session.trust_env = False
    session.proxies, session.verify = {"https": scene.variables["HTTPS_PROXY"]}, scene.variables["SSL_CERT_FILE"]
    assert session.get(f"{scene.alpha}/", timeout=SECONDS).json()["aud"] == "alpha"
    assert len(scene.tokens_asked) == 1
