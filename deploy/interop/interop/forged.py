"""Tokens of somebody who has the issuer's documents and no key of its."""

from cryptography.hazmat.primitives.asymmetric import rsa

import jwt

from . import jws


def signed_by_another_key(token: str, kid: str | None = None, **claims: object) -> str:
    """The token as it is but for these claims, by a key of the forger's own, under the same `kid` unless
    another is given."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    header = jws.header(token)
    kid = kid or header["kid"]
    return jwt.encode(jws.claims(token) | claims, key, header["alg"], headers={"kid": kid})
