"""Taking a compact JWS apart and putting it together changed. Knows no cryptography.

Changes are made to decoded bytes. The last character of a base64url text may hold bits that decode
to nothing, so changing a character is not the same as changing a byte.
"""

import base64
import hashlib
import hmac
import json

HEADER, PAYLOAD, SIGNATURE = range(3)


def decode(text: str) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(token: str, index: int) -> bytes:
    """One of the three parts, decoded."""
    return decode(token.split(".")[index])


def with_part(token: str, index: int, raw: bytes) -> str:
    """The token with another part."""
    parts = token.split(".")
    parts[index] = encode(raw)
    return ".".join(parts)


def with_byte_changed(token: str, index: int, share: float) -> str:
    """One bit flipped in the byte at this share of a part's length: 0.0 the first, 1.0 the last."""
    raw = part(token, index)
    return with_part(token, index, flip(raw, share))


def flip(raw: bytes, share: float) -> bytes:
    """One bit flipped in one byte."""
    at = round(share * (len(raw) - 1))
    return raw[:at] + bytes([raw[at] ^ 0x02]) + raw[at + 1 :]


def with_member(token: str, index: int, name: str, value) -> str:
    """The token with one member of its header or payload replaced, still well-formed JSON."""
    members = json.loads(part(token, index)) | {name: value}
    return with_part(token, index, json.dumps(members, separators=(",", ":")).encode())


def unsecured(token: str) -> str:
    """`alg: none` (RFC 7519 section 6): the header says so, the signature is empty."""
    return with_part(with_member(token, HEADER, "alg", "none"), SIGNATURE, b"")


def signed_with_public_key(token: str, jwk: dict) -> str:
    """`alg: HS256` with the public key's modulus as the secret (RFC 8725 section 2.1)."""
    confused = with_member(token, HEADER, "alg", "HS256")
    signing_input = confused.rsplit(".", 1)[0].encode()
    return with_part(confused, SIGNATURE, hmac.digest(decode(jwk["n"]), signing_input, hashlib.sha256))


def header(token: str) -> dict:
    """The header, unverified."""
    return json.loads(part(token, HEADER))


def claims(token: str) -> dict:
    """The claims, unverified."""
    return json.loads(part(token, PAYLOAD))
