"""Good tokens are good to everyone, and everyone reads the same in them; changed ones to nobody."""

import pytest

from interop import jws
from interop.verifiers import LEEWAY_SECONDS, VERIFIERS, Refused

# Far enough from an edge that the libraries' different ideas of "at" do not matter.
MARGIN_SECONDS = 5


def test_every_verifier_accepts_and_reads_the_same(token, expect):
    read = {name: verify(token.text, expect(token)) for name, verify in VERIFIERS.items()}
    written = jws.claims(token.text)
    assert read == dict.fromkeys(VERIFIERS, written)


def test_the_claims_are_the_contract(token, cluster):
    claims = jws.claims(token.text)
    assert claims["iss"] == cluster.issuer
    assert claims["aud"] == token.audience, "one audience is a string, not a list of one"
    assert claims["identity_type"] == "sandbox"
    assert claims["sandbox_id"] == cluster.sandbox_directory.name
    assert claims["nbf"] <= claims["iat"] < claims["exp"]
    for time in ("iat", "nbf", "exp"):
        assert type(claims[time]) is int, "AWS refuses fractions"
    for name in ("app", "app_uid", "runner_id", "jti"):
        assert claims[name]
    assert "system_workload" not in claims
    assert len(claims["sub"].encode()) <= 127, "Google takes no more"


def test_the_header_is_exact(token, key_set):
    header = jws.header(token.text)
    kids = [jwk["kid"] for jwk in key_set["keys"]]
    assert header == {"alg": "RS256", "kid": kids[0], "typ": "JWT"}, "the active key comes first"


def test_token_files_hold_the_token_alone(cluster):
    for name in ("token", "tokens/aws"):
        content = (cluster.sandbox_directory / name).read_bytes()
        assert content == content.strip() and content.count(b".") == 2


def test_every_audience_has_a_token_of_its_own(tokens):
    ids = {jws.claims(token.text)["jti"] for token in tokens.values()}
    assert len(ids) == len(tokens)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("index", [jws.HEADER, jws.PAYLOAD, jws.SIGNATURE],
                         ids=["header", "payload", "signature"])
def test_one_changed_byte_is_refused(verify, good, expect, index, share):
    with pytest.raises(Refused):
        verify(jws.with_byte_changed(good.text, index, share), expect(good))


@pytest.mark.parametrize("change", [
    lambda token: jws.with_member(token, jws.HEADER, "kid", "unknown"),
    lambda token: jws.with_member(token, jws.PAYLOAD, "sandbox_id", "another"),
    lambda token: jws.with_member(token, jws.PAYLOAD, "exp", jws.claims(token)["exp"] + 1),
    lambda token: token.rsplit(".", 1)[0] + ".",
    jws.unsecured,
], ids=["kid", "sandbox", "exp", "no signature", "alg none"])
def test_a_well_formed_change_is_refused(verify, good, expect, change):
    with pytest.raises(Refused):
        verify(change(good.text), expect(good))


def test_the_public_key_is_no_shared_secret(verify, good, expect, key_set):
    with pytest.raises(Refused):
        verify(jws.signed_with_public_key(good.text, key_set["keys"][0]), expect(good))


def test_another_tokens_signature_is_refused(verify, good, tokens, expect):
    other = jws.part(tokens["default file"].text, jws.SIGNATURE)
    with pytest.raises(Refused):
        verify(jws.with_part(good.text, jws.SIGNATURE, other), expect(good))


def test_another_audience_is_refused(verify, token, expect):
    with pytest.raises(Refused):
        verify(token.text, expect(token, audience="https://nobody.example"))


def test_times_are_enforced(verify, token, expect):
    claims = jws.claims(token.text)
    first, last = claims["nbf"] - LEEWAY_SECONDS, claims["exp"] + LEEWAY_SECONDS
    for now in (claims["iat"], claims["exp"] - MARGIN_SECONDS, last - MARGIN_SECONDS):
        verify(token.text, expect(token, now=now))
    for now in (first - MARGIN_SECONDS, last + MARGIN_SECONDS):
        with pytest.raises(Refused):
            verify(token.text, expect(token, now=now))
