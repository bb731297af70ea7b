"""Authlib's own JOSE, which many services still verify with though joserfc succeeds it."""

import warnings

from authlib.deprecate import AuthlibDeprecationWarning

with warnings.catch_warnings():
    # Known, and no reason not to test what is in use. Authlib resets filters that were set before.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.jose import JsonWebKey, JsonWebToken
    from authlib.jose.errors import JoseError

from .. import documents
from .port import LEEWAY_SECONDS, Expected, Refused


def verify(token: str, expected: Expected) -> dict:
    """Authlib decodes first and checks claims when it is told to, with the clock as an argument."""
    key_set = documents.fetch(documents.discover(expected.issuer, expected.discover_at))
    options = {name: {"essential": True} for name in ("sub", "iat", "nbf", "exp", "jti")} | {
        "iss": {"essential": True, "value": expected.issuer},
        "aud": {"essential": True, "value": expected.audience},
    }
    try:
        claims = JsonWebToken(["RS256"]).decode(
            token, JsonWebKey.import_key_set(key_set), claims_options=options
        )
        claims.validate(now=expected.now, leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError) as error:
        # ValueError: how Authlib says that no key has the kid and that a part is not JSON.
        raise Refused("Authlib") from error
    return dict(claims)
