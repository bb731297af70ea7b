"""A model of Microsoft Entra's token endpoint: it is not Entra, and knows one application with one federated
credential, over https with a certificate of the tests' own authority.

It refuses what Entra documents: any algorithm but RS256, an issuer, a subject or an audience that is not the
credential's to the letter, a signature that no key of the first hundred made, and a token outside its
times. The numbers of its refusals are Entra's.
"""

import pathlib
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from . import authority, documents, jws, stub

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Entra keeps no more of an issuer's keys.
STORED_KEYS = 100


@dataclass(frozen=True)
class Credential:
    """A federated credential, as an operator makes it, and the application it is of."""

    tenant: str
    client: str
    issuer: str
    subject: str
    audience: str


class Refusal(Exception):
    """An error of Entra: `AADSTS` and a number."""

    def __init__(self, number: int, message: str, error: str = "invalid_client"):
        super().__init__(message)
        self.body = {
            "error": error, "error_codes": [number],
            "error_description": f"AADSTS{number}: {message} (by a model)",
        }


@contextmanager
def serving(credential: Credential, now: int, place: pathlib.Path):
    """Gives the address, the authority that its clients have to trust, and the list of what it answered."""
    served = authority.make(place)
    with stub.serving(_Handler, (credential, now), served.server) as (address, answers):
        yield address, served.authority, answers


def decide(credential: Credential, form: dict, now: int) -> str:
    """The subject of a good assertion."""
    if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != ASSERTION:
        raise Refusal(70003, "The grant type is not supported", "unsupported_grant_type")
    if form.get("client_id") != credential.client:
        raise Refusal(700016, "The application was not found", "unauthorized_client")
    token = form["client_assertion"]
    claims = _read(token)
    for number, name, wanted in (
        (700211, "iss", credential.issuer), (700212, "aud", credential.audience),
        (700213, "sub", credential.subject),
    ):
        if claims.get(name) != wanted:
            raise Refusal(number, f"No matching federated identity record found for {name}")
    _check_signature(token, credential.issuer)
    if not claims.get("nbf", claims["iat"]) <= now < claims["exp"]:
        raise Refusal(700024, "The assertion is not within its valid time range")
    return claims["sub"]


def _read(token: str) -> dict:
    try:
        return jws.claims(token)
    except (ValueError, IndexError) as error:
        raise Refusal(50027, "The token is malformed", "invalid_request") from error


def _check_signature(token: str, issuer: str) -> None:
    try:
        key_set = documents.fetch(documents.discover(issuer, issuer))
    except (OSError, documents.DiscoveryRefused) as error:
        raise Refusal(50166, "The issuer's documents could not be fetched") from error
    try:
        stored = KeySet.import_key_set({"keys": key_set["keys"][:STORED_KEYS]})
        jwt.decode(token, stored, algorithms=["RS256"])
    except (JoseError, ValueError) as error:
        raise Refusal(700027, "The assertion's signature is not valid") from error


class _Handler(stub.JsonHandler):
    def do_GET(self):
        """msal reads the tenant's discovery document first."""
        credential, _ = self.server.expected
        tenant = f"{self.server.address}/{credential.tenant}"
        known = urllib.parse.urlsplit(f"{tenant}/v2.0/.well-known/openid-configuration").path
        if urllib.parse.urlsplit(self.path).path != known:
            self.answer(404, {})
            return
        self.answer(200, {
            "issuer": f"{tenant}/v2.0", "token_endpoint": f"{tenant}/oauth2/v2.0/token",
            "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
        })

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(raw, strict_parsing=True))
        credential, now = self.server.expected
        if self.path != f"/{credential.tenant}/oauth2/v2.0/token":
            self.answer(404, {})
            return
        try:
            subject = decide(credential, form, now)
        except Refusal as refusal:
            self.server.answers.append(refusal.body["error_codes"][0])
            self.answer(400, refusal.body)
            return
        self.server.answers.append(subject)
        self.answer(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": f"for {subject}"})
