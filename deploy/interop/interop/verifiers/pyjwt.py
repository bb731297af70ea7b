"""PyJWT with its `PyJWKClient`, which fetches the key set and picks the key by `kid`."""

import jwt
import time_machine

from .. import documents
from .port import LEEWAY_SECONDS, Expected, Refused


def verify(token: str, expected: Expected) -> dict:
    """PyJWT takes no clock of its own, so the process's is moved while it decodes."""
    client = jwt.PyJWKClient(documents.discover(expected.issuer, expected.discover_at))
    try:
        key = client.get_signing_key_from_jwt(token)
        with time_machine.travel(expected.now, tick=False):
            return jwt.decode(
                token, key, algorithms=["RS256"], audience=expected.audience,
                issuer=expected.issuer, leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"]},
            )
    except jwt.PyJWTError as error:
        raise Refused("PyJWT") from error
