"""A model of Google's security token service: it is not Google, and knows the exchange of RFC 8693 for one
provider of a workload identity pool, over https with a certificate of the tests' own authority.

It refuses what Google documents: an issuer or an audience that is not the provider's, what the attribute
condition refuses, a token issued in the future or for two days, an algorithm but RS256 and ES256, a header
without `kid`, a subject of more than 127 bytes, and a signature that no key of the issuer made.
"""

import pathlib
import re
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass, field

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from . import authority, documents, jws, stub

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ALGORITHMS = ("RS256", "ES256")
LONGEST_LIFE = 48 * 3600
LONGEST_SUBJECT = 127
MAXIMUM_AUDIENCES = 10
CONDITION = re.compile(r"assertion\.(\w+) == '([^']*)'")


@dataclass(frozen=True)
class Provider:
    """A provider of a pool. A condition that the model knows is that a claim is a text."""

    issuer: str
    name: str
    # Empty: its own name, with or without a scheme.
    allowed_audiences: list[str] = field(default_factory=list)
    condition: str = ""

    def __post_init__(self):
        assert len(self.allowed_audiences) <= MAXIMUM_AUDIENCES
        assert not self.condition or CONDITION.fullmatch(self.condition), self.condition


class Refusal(Exception):
    """An error of RFC 8693 section 2.2.2, or of RFC 6749 section 5.2."""

    def __init__(self, error: str, message: str):
        super().__init__(message)
        self.body = {"error": error, "error_description": f"{message} (by a model)"}


@contextmanager
def serving(provider: Provider, now: int, place: pathlib.Path):
    """Gives the token endpoint, the authority that its clients have to trust, and the list of what it
    answered: a subject or an error."""
    served = authority.make(place)
    with stub.serving(_Handler, (provider, now), served.server) as (address, answers):
        yield f"{address}/v1/token", served.authority, answers


def decide(provider: Provider, form: dict, now: int) -> str:
    """The subject of a good token."""
    asked = {"grant_type": EXCHANGE, "subject_token_type": JWT, "audience": provider.name,
             "requested_token_type": ACCESS_TOKEN}
    if any(form.get(name) != value for name, value in asked.items()):
        raise Refusal("invalid_request", "The request is not one for this provider")
    token = form["subject_token"]
    try:
        header, claims = jws.header(token), jws.claims(token)
    except (ValueError, IndexError) as error:
        raise _bad("The token is malformed") from error
    if header.get("alg") not in ALGORITHMS or "kid" not in header:
        raise _bad("The token's header has no kid, or an algorithm that is not supported")
    if claims["iss"] != provider.issuer:
        raise _bad("The issuer is not the provider's")
    audiences = provider.allowed_audiences or [provider.name, f"https:{provider.name}"]
    if claims["aud"] not in audiences:
        raise _bad("The audience is not the provider's")
    _check_signature(token, provider.issuer)
    _check_claims(claims, now)
    if match := CONDITION.fullmatch(provider.condition):
        name, wanted = match.groups()
        if claims.get(name) != wanted:
            raise Refusal("unauthorized_client", "The attribute condition refuses the token")
    return claims["sub"]


def _check_signature(token: str, issuer: str) -> None:
    try:
        key_set = documents.fetch(documents.discover(issuer, issuer))
        jwt.decode(token, KeySet.import_key_set(key_set), algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, OSError, documents.DiscoveryRefused) as error:
        raise _bad("The signature cannot be verified") from error


def _check_claims(claims: dict, now: int) -> None:
    if not claims["iat"] <= now < claims["exp"]:
        raise _bad("The token is not within its times")
    if claims["exp"] - claims["iat"] >= LONGEST_LIFE:
        raise _bad("The token lives too long")
    if len(claims["sub"].encode()) > LONGEST_SUBJECT:
        raise _bad(f"google.subject has more than {LONGEST_SUBJECT} bytes")


def _bad(message: str) -> Refusal:
    return Refusal("invalid_grant", message)


class _Handler(stub.JsonHandler):
    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(raw, strict_parsing=True))
        provider, now = self.server.expected
        try:
            subject = decide(provider, form, now)
        except Refusal as refusal:
            self.server.answers.append(refusal.body["error"])
            self.answer(400, refusal.body)
            return
        self.server.answers.append(subject)
        self.answer(200, {"access_token": f"for {subject}", "issued_token_type": ACCESS_TOKEN,
                           "token_type": "Bearer", "expires_in": 3600})
