"""The model of STS refuses what STS was seen to refuse: each rule once, beside the nearest that passes, through
boto3. So a credential from the model says more than that a signature was good."""

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from interop import sts_model
from interop.odd_issuer import EC_KID, RSA_KID, OddIssuer
from interop.sts_model.claims import ROLES, SOURCE_IDENTITY, TAGS

ROLE = "arn:aws:iam::123456789012:role/web"
OTHER = "arn:aws:iam::123456789012:role/other"
AUDIENCE, SUBJECT = "sts.amazonaws.com", "org:acme:app:web"
# Any moment: the model is told it.
NOW = 1_800_000_000
SKEW = 300


@pytest.fixture(scope="module")
def odd():
    return OddIssuer()


def policy(issuer: str, *actions: str, **conditions: dict) -> dict:
    provider = issuer.partition("://")[2]
    pinned = {f"{provider}:aud": AUDIENCE, f"{provider}:sub": SUBJECT}
    return {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{provider}"},
        "Action": ["sts:AssumeRoleWithWebIdentity", *actions],
        "Condition": {"StringEquals": pinned} | conditions,
    }]}


def claims(issuer: str, **changed) -> dict:
    said = {"iss": issuer, "sub": SUBJECT, "aud": AUDIENCE, "iat": NOW, "nbf": NOW, "exp": NOW + 900}
    return said | changed


def answer(account: sts_model.Account, token: str) -> str:
    """The subject that was let in, or the code of the refusal, as boto3 sees it."""
    with sts_model.serving(account, NOW) as (address, _):
        client = boto3.client("sts", endpoint_url=address, region_name="eu-central-1",
                              config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))
        try:
            answered = client.assume_role_with_web_identity(
                RoleArn=ROLE, RoleSessionName="interop", WebIdentityToken=token
            )
        except ClientError as error:
            return error.response["Error"]["Code"]
    return answered["SubjectFromWebIdentityToken"]


def of_claims(odd, changed: dict, header: dict | None = None, *actions: str, **conditions: dict) -> str:
    """The answer to a token with these claims; `...` leaves one out."""
    with odd.serving() as issuer:
        said = {name: value for name, value in claims(issuer, **changed).items() if value is not ...}
        account = sts_model.Account(issuer, [AUDIENCE], {ROLE: policy(issuer, *actions, **conditions)})
        return answer(account, odd.mint(said, header))


BAD = "InvalidIdentityToken"


@pytest.mark.parametrize("changed, expected", [
    pytest.param({}, SUBJECT, id="as-it-should-be"),
    # Five minutes of tolerance on each time.
    pytest.param({"exp": NOW - SKEW + 1}, SUBJECT, id="just-not-expired"),
    pytest.param({"exp": NOW - SKEW}, "ExpiredTokenException", id="expired"),
    pytest.param({"nbf": NOW + SKEW}, SUBJECT, id="just-valid"),
    pytest.param({"nbf": NOW + SKEW + 1}, BAD, id="not-valid-yet"),
    pytest.param({"iat": NOW + SKEW, "nbf": ...}, SUBJECT, id="just-issued"),
    pytest.param({"iat": NOW + SKEW + 1, "nbf": ...}, BAD, id="issued-in-the-future"),
    # Whole seconds, be it in a text.
    pytest.param({"exp": str(NOW + 900)}, SUBJECT, id="time-as-text"),
    pytest.param({"exp": NOW + 900.5}, BAD, id="fractional-exp"),
    pytest.param({"iat": float(NOW)}, BAD, id="fractional-iat"),
    *[pytest.param({name: ...}, BAD, id=f"without-{name}") for name in ("sub", "aud", "iat", "exp")],
    pytest.param({"nbf": ...}, SUBJECT, id="without-nbf"),
    pytest.param({"sub": None}, "InternalFailure", id="null-sub"),
    # `azp` counts where it is, and has to be there with several audiences.
    pytest.param({"aud": [AUDIENCE]}, SUBJECT, id="list-of-one"),
    pytest.param({"aud": [AUDIENCE, "other"]}, BAD, id="two-audiences"),
    pytest.param({"aud": [AUDIENCE, "other"], "azp": AUDIENCE}, SUBJECT, id="two-and-azp"),
    pytest.param({"azp": "other"}, BAD, id="another-azp"),
    pytest.param({"aud": "other"}, BAD, id="another-audience"),
    # Roles are looked at before any policy.
    pytest.param({ROLES: ROLE}, SUBJECT, id="its-role"),
    pytest.param({ROLES: [OTHER, ROLE]}, SUBJECT, id="one-of-its-roles"),
    pytest.param({ROLES: f"{OTHER};{ROLE}"}, SUBJECT, id="roles-in-a-text"),
    pytest.param({ROLES: None}, SUBJECT, id="null-roles"),
    pytest.param({ROLES: []}, BAD, id="no-role"),
    pytest.param({ROLES: [OTHER]}, BAD, id="another-role"),
    pytest.param({ROLES: ["arn:aws:iam::123456789012:role/*"]}, BAD, id="no-wildcard"),
    # The role's trust policy.
    pytest.param({"sub": "org:acme:app:other"}, "AccessDenied", id="another-subject"),
    pytest.param({"sub": SUBJECT.upper()}, "AccessDenied", id="another-case"),
])
def test_claims(odd, changed, expected):
    assert of_claims(odd, changed) == expected


TAGGED = {TAGS: {"principal_tags": {"app": ["web"]}, "transitive_tag_keys": ["app"]}}
ALLOWED = ("sts:TagSession",)


@pytest.mark.parametrize("changed, actions, expected", [
    pytest.param(TAGGED, ALLOWED, SUBJECT, id="tagged"),
    pytest.param(TAGGED, (), "AccessDenied", id="without-TagSession"),
    pytest.param({f"{TAGS}/principal_tags/app": "web"}, ALLOWED, SUBJECT, id="flattened"),
    pytest.param({f"{TAGS}/principal_tags/app": "web"}, (), "AccessDenied", id="flattened-without"),
    pytest.param({TAGS: {"principal_tags": {"app": ["a", "b"]}}}, ALLOWED, BAD, id="two-values"),
    pytest.param({TAGS: {"principal_tags": {"k" * 129: ["v"]}}}, ALLOWED, BAD, id="long-key"),
    pytest.param({TAGS: {"principal_tags": {"k": ["v" * 257]}}}, ALLOWED, BAD, id="long-value"),
    pytest.param({TAGS: {"principal_tags": {f"k{at}": ["v"] for at in range(50)}}}, ALLOWED, SUBJECT,
                 id="50-tags"),
    pytest.param({TAGS: {"principal_tags": {f"k{at}": ["v"] for at in range(51)}}}, ALLOWED, BAD,
                 id="51-tags"),
    pytest.param({SOURCE_IDENTITY: "web"}, ("sts:SetSourceIdentity",), SUBJECT, id="source-identity"),
    pytest.param({SOURCE_IDENTITY: "web"}, (), "AccessDenied", id="without-SetSourceIdentity"),
])
def test_tags_and_source_identity(odd, changed, actions, expected):
    assert of_claims(odd, changed, None, *actions) == expected


def test_conditions_on_tags_and_roles(odd):
    tag = {"StringLike": {"aws:RequestTag/app": "w*"}}
    assert of_claims(odd, TAGGED, None, *ALLOWED, **tag) == SUBJECT
    other = {TAGS: {"principal_tags": {"app": ["api"]}}}
    assert of_claims(odd, other, None, *ALLOWED, **tag) == "AccessDenied"
    named = {"Bool": {"sts:RoleAuthorizedByIdp": "true"}}
    assert of_claims(odd, {ROLES: ROLE}, **named) == SUBJECT
    assert of_claims(odd, {}, **named) == "AccessDenied"


@pytest.mark.parametrize("header, expected", [
    pytest.param({"alg": "RS512"}, SUBJECT, id="the-token-says-which-hash"),
    pytest.param({"alg": "ES256", "kid": EC_KID}, SUBJECT, id="ES256"),
    pytest.param({"alg": "PS256"}, BAD, id="PS256"),
    pytest.param({"kid": "other"}, BAD, id="unknown-kid"),
    # One usable key of the type: it is the one.
    pytest.param({"kid": None}, SUBJECT, id="without-kid"),
])
def test_headers(odd, header, expected):
    assert of_claims(odd, {}, header) == expected


def of_documents(odd, header: dict | None = None, **changes) -> str:
    """The answer to a good token whose issuer serves other documents."""
    with odd.serving(**changes) as issuer:
        account = sts_model.Account(issuer, [AUDIENCE], {ROLE: policy(issuer)})
        return answer(account, odd.mint(claims(issuer), header))


def with_rsa_key(**changed):
    """A key set whose RSA key has other members; `...` leaves one out."""

    def change(document: dict) -> dict:
        key, other = document["keys"]
        key = {name: value for name, value in (key | changed).items() if value is not ...}
        return {"keys": [key, other]}

    return change


def with_more(kind: str, count: int):
    """So many RSA or EC keys in all, each under a `kid` of its own; the one that signs comes first."""

    def change(document: dict) -> dict:
        of_kind = next(key for key in document["keys"] if key["kty"] == kind)
        more = [of_kind | {"kid": f"more-{at}"} for at in range(count - 1)]
        return {"keys": document["keys"] + more}

    return change


@pytest.mark.parametrize("change, expected", [
    pytest.param(with_rsa_key(), SUBJECT, id="as-it-should-be"),
    pytest.param(with_rsa_key(key_ops=["verify"]), BAD, id="key_ops"),
    pytest.param(with_rsa_key(use="enc"), BAD, id="for-encryption"),
    pytest.param(with_rsa_key(use=...), SUBJECT, id="without-use"),
    pytest.param(with_rsa_key(kid=...), BAD, id="without-kid"),
    pytest.param(with_rsa_key(alg="RS384"), SUBJECT, id="alg-is-not-looked-at"),
    pytest.param(with_more("RSA", 100), SUBJECT, id="100-keys"),
    pytest.param(with_more("RSA", 101), BAD, id="101-keys"),
    # Too many of one type spoil that type alone.
    pytest.param(with_more("EC", 101), SUBJECT, id="101-of-the-other-type"),
    pytest.param(lambda document: {"keys": document["keys"] + [document["keys"][1] | {"kid": RSA_KID}]},
                 SUBJECT, id="a-kid-twice-in-two-types"),
    pytest.param(lambda document: {"keys": []}, BAD, id="no-keys"),
])
def test_key_sets(odd, change, expected):
    assert of_documents(odd, key_set=change) == expected


def test_of_two_keys_with_one_kid_the_later_counts(odd):
    other = OddIssuer().rsa_jwk()
    assert of_documents(odd, key_set=lambda had: {"keys": [other, *had["keys"]]}) == SUBJECT
    assert of_documents(odd, key_set=lambda had: {"keys": [*had["keys"], other]}) == BAD


def test_a_token_without_kid_needs_a_single_key(odd):
    assert of_documents(odd, {"kid": None}, key_set=with_more("RSA", 2)) == BAD


@pytest.mark.parametrize("change", [
    pytest.param(lambda had: had | {"issuer": had["issuer"] + "/"}, id="a-slash-more"),
    pytest.param(lambda had: had | {"jwks_uri": had["issuer"] + "/nowhere"}, id="no-key-set"),
    *[pytest.param(lambda had, name=name: {key: had[key] for key in had if key != name}, id=f"without-{name}")
      for name in ("jwks_uri", "claims_supported", "response_types_supported", "subject_types_supported",
                   "id_token_signing_alg_values_supported")],
])
def test_discovery(odd, change):
    assert of_documents(odd, metadata=change) == BAD


def test_an_issuer_that_takes_six_seconds_is_given_up(odd):
    assert of_documents(odd, delay=6) == "IDPCommunicationError"


def test_an_issuer_that_the_account_does_not_know_is_refused(odd):
    with odd.serving() as issuer:
        account = sts_model.Account(f"{issuer}/", [AUDIENCE], {ROLE: policy(issuer)})
        assert answer(account, odd.mint(claims(issuer))) == BAD


def test_a_token_is_not_longer_than_20000_characters(odd):
    assert of_claims(odd, {"padding": "x" * 10_000}) == SUBJECT
    assert of_claims(odd, {"padding": "x" * 20_000}) == "ValidationError"
