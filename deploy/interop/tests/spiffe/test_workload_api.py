"""The PyPI package `spiffe` at a live runner proxy: from the sandbox's environment alone it gets SVIDs and
bundles, validates, and is told of changes."""

import time

import pytest
from cryptography import x509
from spiffe import JwtSvid, SpiffeId, TrustDomain
from spiffe.svid.errors import JwtSvidError
from spiffe.workloadapi.errors import FetchJwtSvidError, ValidateJwtSvidError

from interop import cluster as development
from interop import documents, jws, sandbox, workload

AUDIENCE = "https://ledger.example"
FOREIGN = development.FOREIGN_TRUST_DOMAIN
DOMAIN = TrustDomain(development.TRUST_DOMAIN)
ID = f"spiffe://{development.TRUST_DOMAIN}/app/demo/sandbox/demo-1"
PARTS = [jws.HEADER, jws.PAYLOAD, jws.SIGNATURE]


@pytest.fixture(scope="module")
def bundle_document(cluster):
    return documents.fetch(f"{cluster.issuer}/.well-known/spiffe-bundle")


@pytest.fixture(scope="module")
def svid(client):
    return client.fetch_jwt_svid({AUDIENCE})


@pytest.fixture(scope="module")
def jwt_bundle(client):
    return client.fetch_jwt_bundles().get_bundle_for_trust_domain(DOMAIN)


def test_w4_the_environment_file_is_enough(cluster, client):
    assert client.get_spiffe_endpoint_socket() == sandbox.environment(cluster)["SPIFFE_ENDPOINT_SOCKET"]
    assert str(client.fetch_x509_svid().spiffe_id) == ID


def test_w9_an_x509_svid_comes_with_its_own_key_and_the_bundle(client):
    context = client.fetch_x509_context()
    (own,) = context.x509_svids
    assert workload.spiffe_id(own.leaf) == str(own.spiffe_id) == ID
    assert own.private_key.public_key() == own.leaf.public_key()
    bundle = context.x509_bundle_set.get_bundle_for_trust_domain(DOMAIN)
    assert own.cert_chain[-1].issuer in {authority.subject for authority in bundle.x509_authorities}


def test_w9_two_sandboxes_have_two_svids(client, cluster, second):
    with workload.client(sandbox.environment(cluster, second)) as other:
        theirs = other.fetch_x509_svid()
    ours = client.fetch_x509_svid()
    assert str(theirs.spiffe_id) == ID.replace("demo-1", second)
    assert theirs.leaf.public_key() != ours.leaf.public_key()


def test_w10_x509_bundles_are_the_published_ones(client, bundle_document):
    bundles = client.fetch_x509_bundles()
    told = bundles.get_bundle_for_trust_domain(DOMAIN).x509_authorities
    entries = [key for key in bundle_document["keys"] if key["use"] == "x509-svid"]
    assert told == {_certificate(entry) for entry in entries} != set()
    assert {str(bundle.trust_domain) for bundle in bundles.bundles} == {DOMAIN.name}


def test_w10_jwt_bundles_are_the_published_ones(jwt_bundle, bundle_document):
    kids = {key["kid"] for key in bundle_document["keys"] if key["use"] == "jwt-svid"}
    assert set(jwt_bundle.jwt_authorities) == kids != set()


def test_w11_a_jwt_svid_is_good_by_the_bundle(svid, jwt_bundle):
    read = JwtSvid.parse_and_validate(svid.token, jwt_bundle, {AUDIENCE})
    assert str(read.spiffe_id) == ID
    assert read.expiry > time.time()


def test_w11_the_id_of_another_is_not_given(client):
    with pytest.raises(FetchJwtSvidError, match="PERMISSION_DENIED"):
        client.fetch_jwt_svid({AUDIENCE}, SpiffeId(ID.replace("demo-1", "demo-9")))


def test_w13_a_jwt_svid_is_valid_for_its_audience(client, svid):
    assert str(client.validate_jwt_svid(svid.token, AUDIENCE).spiffe_id) == ID


def test_w13_a_jwt_svid_for_another_audience_is_refused(client, svid, jwt_bundle):
    # The package looks at the audience as well, after the call: the code is the daemon's.
    with pytest.raises(ValidateJwtSvidError, match="INVALID_ARGUMENT"):
        client.validate_jwt_svid(svid.token, "https://another.example")
    with pytest.raises(JwtSvidError):
        JwtSvid.parse_and_validate(svid.token, jwt_bundle, {"https://another.example"})


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_w13_a_jwt_svid_with_a_byte_changed_is_refused(client, svid, part, share):
    changed = jws.with_byte_changed(svid.token, part, share)
    with pytest.raises(ValidateJwtSvidError, match="INVALID_ARGUMENT"):
        client.validate_jwt_svid(changed, AUDIENCE)


def test_w13_a_jwt_svid_of_an_unknown_domain_is_refused(client, foreign_client):
    theirs = foreign_client.fetch_jwt_svid({AUDIENCE})
    assert theirs.spiffe_id.trust_domain.name == FOREIGN
    assert foreign_client.validate_jwt_svid(theirs.token, AUDIENCE).spiffe_id == theirs.spiffe_id
    with pytest.raises(ValidateJwtSvidError, match="INVALID_ARGUMENT"):
        client.validate_jwt_svid(theirs.token, AUDIENCE)


def test_w8_a_stream_tells_of_a_new_key_before_it_signs(foreign, foreign_client):
    domain = TrustDomain(FOREIGN)

    def kids(bundles):
        return set(bundles.get_bundle_for_trust_domain(domain).jwt_authorities)

    with workload.watching(foreign_client.stream_jwt_bundles) as told:
        before = kids(told.wait_for(lambda _: True))
        development.command(foreign, "key", "prepare")
        after = kids(told.wait_for(lambda bundles: kids(bundles) != before))
    assert after > before
    signed_by = jws.header(foreign_client.fetch_jwt_svid({"https://new.example"}).token)["kid"]
    assert signed_by in before


def test_w8_a_stream_tells_of_a_new_authority_before_it_signs(foreign, foreign_client):
    with workload.watching(foreign_client.stream_x509_contexts) as told:
        before = told.wait_for(lambda _: True)
        development.command(foreign, "key", "prepare", "--x509")
        after = told.wait_for(lambda context: roots(context) != roots(before))
    assert roots(after) > roots(before)
    assert after.default_svid.leaf.issuer == before.default_svid.leaf.issuer


def roots(context) -> set[x509.Certificate]:
    return context.x509_bundle_set.get_bundle_for_trust_domain(TrustDomain(FOREIGN)).x509_authorities


def _certificate(entry: dict) -> x509.Certificate:
    (encoded,) = entry["x5c"]
    return x509.load_pem_x509_certificate(
        f"-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n".encode()
    )
