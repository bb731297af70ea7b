"""Tokens of an OpenID provider that nobody here wrote are exchanged, while its keys change."""

import json
import time

import pytest
import requests

from interop import authority, exchange, jws
from interop.oidc_provider import CLIENT, OidcProvider
from interop.verifiers import VERIFIERS, Expected

NAME = "ci"
CONTEXT, SERVICE = "builds", "https://registry.example"
# Longer than the time between two fetches for a key that is not known.
FETCHED_SECONDS = 30


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A coordinator that takes the provider's tokens, and the provider."""
    served = authority.make(tmp_path_factory.mktemp("provider"))
    with OidcProvider.running(served, exchange.AUDIENCE) as provider:
        table = f"""
[[exchange.issuer]]
name = "{NAME}"
issuer = "{provider.issuer}"
audiences = ["{exchange.AUDIENCE}"]
jwks_url = "{provider.jwks_uri()}"
ca_file = "{served.authority}"
algorithms = ["RS256"]
"""
        with exchange.coordinator({"MONEYER__EXCHANGE__JWTLET_COMPATIBLE_ERRORS": "false"}, table) as coordinator:
            mapping = [{
                "clientIdentifier": f"{NAME}/{CLIENT}", "participantContext": CONTEXT, "scopes": [],
                "audiences": [SERVICE],
            }]
            file = coordinator.config.with_name("mappings.json")
            file.write_text(json.dumps(mapping))
            coordinator.command("mapping", "import", file)
            deadline = time.monotonic() + FETCHED_SECONDS
            while ask(coordinator, provider.token()).status_code == 503:
                assert time.monotonic() < deadline, "its key set was not fetched"
                time.sleep(0.1)
            yield coordinator, provider


def ask(coordinator, token: str, **more) -> requests.Response:
    return coordinator.token(token, {"resource": CONTEXT, "audience": SERVICE} | more)


def verified(coordinator, answer: requests.Response) -> dict:
    """The claims, as every verifier reads them by discovery from the issuer alone."""
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    written = jws.claims(token)
    expected = Expected(coordinator.issuer, SERVICE, (written["iat"] + written["exp"]) // 2, coordinator.issuer)
    assert {name: verify(token, expected) for name, verify in VERIFIERS.items()} == dict.fromkeys(VERIFIERS, written)
    return written


def test_its_token_is_exchanged_and_everybody_verifies_what_is_given(both):
    coordinator, provider = both
    token = provider.token()
    assert jws.header(token)["typ"] == "at+jwt"
    claims = verified(coordinator, ask(coordinator, token))
    assert (claims["sub"], claims["aud"], claims["identity_type"]) == (CONTEXT, SERVICE, "exchange")
    assert claims["act"] == {"sub": CLIENT, "iss": provider.issuer}
    assert claims["exp"] <= jws.claims(token)["exp"]


def test_a_token_of_a_key_that_is_new_is_exchanged_at_once(both):
    coordinator, provider = both
    before = provider.token()
    provider.rotate()
    after = provider.token()
    assert jws.header(before)["kid"] != jws.header(after)["kid"]
    # One fetch for a key that is not known in ten seconds: it may just have been done for another test.
    deadline = time.monotonic() + FETCHED_SECONDS
    while (answer := ask(coordinator, after)).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.5)
    verified(coordinator, answer)
    verified(coordinator, ask(coordinator, before))


@pytest.mark.parametrize("index", [jws.HEADER, jws.PAYLOAD, jws.SIGNATURE], ids=["header", "payload", "signature"])
def test_one_changed_byte_is_refused(both, index):
    coordinator, provider = both
    answer = ask(coordinator, jws.with_byte_changed(provider.token(), index, 0.5))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_its_client_is_no_service_account_and_gets_nothing_else(both):
    coordinator, provider = both
    answer = ask(coordinator, provider.token(), resource="another")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    answer = ask(coordinator, provider.token(), audience="https://another.example")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
