"""A certificate authority of the tests, for clients that speak https alone. It lives as long as its folder."""

import datetime
import ipaddress
import pathlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "localhost"
ADDRESS = "127.0.0.1"
# Loopback as well, and none of the addresses that programs reach without a proxy.
ELSEWHERE = "127.0.0.2"
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Served:
    """What a server of this authority has to hold, and what its clients have to trust."""

    authority: pathlib.Path
    # Certificate and key in one file, as HAProxy and Python read it.
    server: pathlib.Path


def make(place: pathlib.Path) -> Served:
    """An authority, and a certificate of it for `localhost` and two addresses of loopback."""
    now = datetime.datetime.now(datetime.UTC)
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, server_name = _name("Authority of the tests"), _name(HOST)
    authority = (
        _begun(authority_name, authority_name, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in (ADDRESS, ELSEWHERE)]
    names = [x509.DNSName(HOST), *addresses]
    server = (
        _begun(server_name, authority_name, server_key, now)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    made = Served(place / "authority.pem", place / "server.pem")
    made.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made.server.write_bytes(server.public_bytes(serialization.Encoding.PEM) + key)
    return made


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begun(subject: x509.Name, issuer: x509.Name, key, now) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY).not_valid_after(now + DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
