"""mTLS by SVIDs, with nothing but `ssl` and `cryptography`: OpenSSL builds the path, the SPIFFE ID is looked
at afterwards (X509-SVID section 5)."""

import pathlib
import socket
import ssl
import tempfile
import threading
from contextlib import contextmanager

from cryptography import x509

from . import workload

ANSWER_SECONDS = 10
# How often the loop of a server looks whether it should end.
LOOK_SECONDS = 0.1
GREETING = b"hello"


class Refused(Exception):
    """The peer's SVID is not to be trusted."""


def context(side: int, held, roots: str) -> ssl.SSLContext:
    """What a service of today speaks: its own SVID, and the bundle of one trust domain."""
    made = ssl.SSLContext(side)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(cadata=roots)
    with tempfile.TemporaryDirectory(prefix="svid-") as directory:
        made.load_cert_chain(*workload.save(held, pathlib.Path(directory), "own"))
    return made


def peer(connection: ssl.SSLSocket, trust_domain: str) -> str:
    """The SPIFFE ID at the other end, which must be a workload of the trust domain."""
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True))
    found = workload.spiffe_id(certificate)
    if not found.startswith(f"spiffe://{trust_domain}/"):
        raise Refused(found)
    return found


class Server:
    """Greets whom it trusts. What it holds is asked for at each connection, so that it may change."""

    def __init__(self, made_context, trust_domain: str):
        self._context, self._trust_domain = made_context, trust_domain
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LOOK_SECONDS)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.port = self._listener.getsockname()[1]
        self.seen: list[str] = []
        self.refused: list[Exception] = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                accepted, _ = self._listener.accept()
            except TimeoutError:
                continue
            accepted.settimeout(ANSWER_SECONDS)
            with accepted:
                try:
                    self._greet(accepted)
                except (OSError, Refused) as error:
                    self.refused.append(error)

    def _greet(self, accepted: socket.socket) -> None:
        with self._context().wrap_socket(accepted, server_side=True) as connection:
            self.seen.append(peer(connection, self._trust_domain))
            connection.sendall(GREETING)


def call(port: int, held: ssl.SSLContext, trust_domain: str) -> str:
    """Calls a server and reads its greeting, without which nobody knows whether it trusts us: with TLS 1.3 it
    says so after the handshake. Gives the server's SPIFFE ID."""
    with (
        socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as plain,
        held.wrap_socket(plain) as connection,
    ):
        found = peer(connection, trust_domain)
        if connection.recv(len(GREETING)) != GREETING:
            raise Refused("the server closed without a word")
        return found
