"""The public documents, byte by byte: what the strictest relying parties ask of them."""

import http.client
import json
import re
import urllib.parse

import pytest
from joserfc.jwk import RSAKey

from interop import documents


@pytest.fixture(params=["discovery", "key set"])
def url(request, cluster):
    """The address of each document."""
    if request.param == "discovery":
        return cluster.issuer + documents.DISCOVERY_PATH
    return documents.discover(cluster.issuer, cluster.issuer)


def ask(url: str, **headers: str):
    """One request, no redirect followed, no header added but those that are named."""
    parts = urllib.parse.urlsplit(url)
    plain = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    connection = plain[parts.scheme](parts.netloc, timeout=documents.ANSWER_SECONDS)
    try:
        named = {"Host": parts.netloc} | {key.replace("_", "-"): value for key, value in headers.items()}
        connection.putrequest("GET", parts.path, skip_host=True, skip_accept_encoding=True)
        for name, value in named.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_it_is_json_that_may_be_cached(url):
    status, headers, body = ask(url)
    assert status == 200
    assert headers.get_all("Content-Type") == ["application/json"]
    assert re.fullmatch(r"public, max-age=[1-9][0-9]*", headers["Cache-Control"])
    assert re.fullmatch(r'"[^"]+"', headers["ETag"]), "a strong validator"
    assert headers["Content-Length"] == str(len(body))
    assert "Set-Cookie" not in headers
    json.loads(body)


def test_it_is_not_sent_again_to_who_has_it(url):
    tag = ask(url)[1]["ETag"]
    status, headers, body = ask(url, If_None_Match=tag)
    assert (status, body, headers["ETag"]) == (304, b"", tag)
    assert ask(url, If_None_Match='"another"')[0] == 200


def test_no_request_contributes_a_byte(url):
    plain = ask(url)[2]
    for headers in (
        {"Host": "evil.example"},
        {"X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "https"},
        {"Forwarded": "host=evil.example;proto=https"},
    ):
        status, _, body = ask(url, **headers)
        assert (status, body) == (200, plain), headers


def test_discovery_names_what_relying_parties_ask_for(cluster):
    metadata = documents.fetch(cluster.issuer + documents.DISCOVERY_PATH)
    assert metadata["issuer"] == cluster.issuer
    assert metadata["jwks_uri"].startswith(cluster.issuer + "/")
    assert metadata["response_types_supported"] == ["id_token"]
    assert metadata["subject_types_supported"] == ["public"]
    assert metadata["id_token_signing_alg_values_supported"][0] == "RS256"
    assert {"iss", "sub", "aud", "iat", "exp"} <= set(metadata["claims_supported"])


def test_the_key_set_has_the_strict_profiles_members_only(key_set):
    assert set(key_set) == {"keys"} and key_set["keys"]
    for jwk in key_set["keys"]:
        assert set(jwk) == {"kty", "use", "alg", "kid", "n", "e"}
        assert (jwk["kty"], jwk["use"], jwk["alg"]) == ("RSA", "sig", "RS256")
    kids = [jwk["kid"] for jwk in key_set["keys"]]
    assert len(set(kids)) == len(kids)


def test_the_kid_is_the_keys_thumbprint(key_set):
    """RFC 7638, computed by joserfc."""
    for jwk in key_set["keys"]:
        assert RSAKey.import_key(jwk).thumbprint() == jwk["kid"]
