"""A workload that speaks SPIFFE: the PyPI package `spiffe`, told nothing but the sandbox's environment."""

import os
import pathlib
import threading
import urllib.request
from collections.abc import Mapping
from contextlib import contextmanager
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from spiffe import TrustDomain, WorkloadApiClient
from spiffe.workloadapi.x509_context import X509Context

# A call that takes longer is a fault.
ANSWER_SECONDS = 10


class NothingCame(Exception):
    """A stream told nothing new in time."""


@contextmanager
def client(environment: Mapping[str, str]):
    """A client that finds its socket as the standard says (Workload Endpoint section 4)."""
    with mock.patch.dict(os.environ, environment, clear=True):
        made = WorkloadApiClient(default_timeout=ANSWER_SECONDS)
    with made:
        yield made


class Told:
    """What a stream told last, how often, and what ended it: to be waited for."""

    def __init__(self):
        self._changed = threading.Condition()
        self.count, self.last, self.ended = 0, None, None

    def update(self, complete) -> None:
        with self._changed:
            self.count, self.last = self.count + 1, complete
            self._changed.notify_all()

    def end(self, error: Exception) -> None:
        with self._changed:
            self.ended = error
            self._changed.notify_all()

    def wait_for(self, wanted, seconds: float = ANSWER_SECONDS):
        """The first state that is as wanted."""
        def came() -> bool:
            if self.ended is not None:
                raise NothingCame from self.ended
            return self.last is not None and wanted(self.last)

        with self._changed:
            if not self._changed.wait_for(came, seconds):
                raise NothingCame(f"{self.count} updates in {seconds} s, and none as wanted")
            return self.last


@contextmanager
def watching(stream):
    """Follows a stream, such as `client.stream_x509_contexts`, which must not break: it is not opened again."""
    told = Told()
    handler = stream(told.update, told.end, retry_connect=False)
    try:
        yield told
    finally:
        handler.cancel()


def authorities(context: X509Context, trust_domain: str) -> str:
    """The PEM certificates that a context trusts for a domain."""
    bundle = context.x509_bundle_set.get_bundle_for_trust_domain(TrustDomain(trust_domain))
    return pem(*bundle.x509_authorities)


def pem(*certificates: x509.Certificate) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


def key_pem(svid) -> str:
    return svid.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def published_bundle(issuer: str) -> bytes:
    """The trust bundle as the public listener serves it."""
    with urllib.request.urlopen(f"{issuer}/.well-known/spiffe-bundle", timeout=ANSWER_SECONDS) as response:
        return response.read()


def save(context: X509Context, place: pathlib.Path, name: str) -> tuple[pathlib.Path, pathlib.Path]:
    """The context's SVID as files: its chain, leaf first, and its key."""
    svid = context.default_svid
    chain, key = place / f"{name}.pem", place / f"{name}.key"
    chain.write_text(pem(*svid.cert_chain))
    key.write_text(key_pem(svid))
    return chain, key


def spiffe_id(certificate: x509.Certificate) -> str:
    """The one URI that a certificate names (X509-SVID section 2); none or several are an error."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uri
