"""The verifiers, one module each, behind one call.

Every verifier is told an issuer and an audience, learns the keys by discovery, and checks with its
own library what that library checks: signature, algorithm, key id, issuer, audience and times.
"""

from . import authlib_jose, joserfc_jwt, npm_jose, pyjwt
from .port import LEEWAY_SECONDS, Expected, Refused, Verify

VERIFIERS: dict[str, Verify] = {
    "PyJWT": pyjwt.verify,
    "joserfc": joserfc_jwt.verify,
    "Authlib": authlib_jose.verify,
    "npm jose": npm_jose.verify,
}

__all__ = ["LEEWAY_SECONDS", "VERIFIERS", "Expected", "Refused", "Verify"]
