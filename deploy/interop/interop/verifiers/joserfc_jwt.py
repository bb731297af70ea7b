"""joserfc: a key set that is strict about `use`, `alg` and `kid`, and a claims registry."""

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from .. import documents
from .port import LEEWAY_SECONDS, Expected, Refused


def verify(token: str, expected: Expected) -> dict:
    """joserfc takes the clock as an argument."""
    key_set = documents.fetch(documents.discover(expected.issuer, expected.discover_at))
    registry = jwt.JWTClaimsRegistry(
        now=expected.now, leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.audience},
        sub={"essential": True}, iat={"essential": True}, nbf={"essential": True},
        exp={"essential": True}, jti={"essential": True},
    )
    try:
        decoded = jwt.decode(token, KeySet.import_key_set(key_set), algorithms=["RS256"])
        registry.validate(decoded.claims)
    except (JoseError, ValueError) as error:
        # ValueError: how joserfc says that no key fits and that a part is not JSON.
        raise Refused("joserfc") from error
    return decoded.claims
