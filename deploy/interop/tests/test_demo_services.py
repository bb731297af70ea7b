"""The services of deploy/demo: what they take and what they refuse, asked by a client with JWT-SVIDs of the test's keys.

Their tokens are verified by PyJWT, which nobody here wrote.
"""

import hashlib
import hmac
import subprocess
import time

import jwt
import pytest
import requests

from interop import demo_services, jws
from interop.demo_services import COORDINATOR, SANDBOX
from interop.odd_issuer import EC_KID, OddIssuer

ANSWER_SECONDS = 10
JWT_SPIFFE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
GRANT_ISSUER, EXCHANGE_ISSUER = "http://token-issuer.example", "http://token-exchange-issuer.example"
BODY_BYTES = 1024 * 1024


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with demo_services.running(tmp_path_factory.mktemp("demo")) as started:
        yield started


@pytest.fixture(scope="module")
def workloads(demo):
    return demo.workloads


@pytest.fixture(scope="module")
def issuer(demo):
    return demo.issuer("token-issuer.mjs")


@pytest.fixture(scope="module")
def exchange(demo):
    return demo.issuer("token-exchange-issuer.mjs")


@pytest.fixture(scope="module")
def alpha(demo):
    return demo.start("service.mjs", SERVICE="alpha", ISSUER=GRANT_ISSUER)


@pytest.fixture(scope="module")
def beta(demo):
    return demo.start("service.mjs", SERVICE="beta", ISSUER=EXCHANGE_ISSUER, TOKEN_USE="final")


def post(service, form, **options):
    """A value of `None` is left out."""
    named = {name: value for name, value in form.items() if value is not None}
    return requests.post(f"{service.url}/token", data=named, timeout=ANSWER_SECONDS, **options)


def ask(issuer, workloads, **changed):
    """What the runner proxy sends for alpha, with changes."""
    return post(issuer, {
        "grant_type": "client_credentials", "client_assertion_type": JWT_SPIFFE,
        "client_assertion": workloads.svid(), "audience": "alpha", "scope": "alpha",
    } | changed)


def exchanged(exchange, token, svid, **changed):
    return post(exchange, {
        "grant_type": EXCHANGE, "client_assertion_type": JWT_SPIFFE, "client_assertion": svid,
        "subject_token": token, "subject_token_type": ACCESS_TOKEN, "requested_token_type": ACCESS_TOKEN,
        "audience": "beta", "scope": "beta",
    } | changed)


def readdressed(exchange, workloads, token, **changed):
    """The first stage: the coordinator has the user's token addressed to the sandbox."""
    fields = {"audience": SANDBOX, "scope": None} | changed
    return exchanged(exchange, token, workloads.svid(COORDINATOR), **fields)


def call(service, token=None, path="/"):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return requests.get(service.url + path, headers=headers, timeout=ANSWER_SECONDS)


def read(demo, token, audience, issuer):
    return jwt.decode(token, demo.secret, algorithms=["HS256"], audience=audience, issuer=issuer)


def token_of(answer) -> str:
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def refused(answer, status, code):
    """An OAuth error with this code, which no one on the way may keep."""
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.fixture
def user(exchange):
    """The user's token."""
    answer = requests.get(f"{exchange.url}/demo-subject-token", timeout=ANSWER_SECONDS)
    return token_of(answer)


@pytest.fixture
def intermediate(exchange, workloads, user):
    return token_of(readdressed(exchange, workloads, user))


def forged(demo, issuer, **changed):
    """A token such as the services sign among themselves."""
    now = int(time.time())
    claims = {
        "iss": issuer, "sub": "demo-user", "aud": ["beta", "account"], "scope": "beta profile email", "azp": SANDBOX,
        "client_id": SANDBOX, "demo_token_use": "final", "iat": now, "exp": now + 60,
    } | changed
    named = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(named, demo.secret, algorithm="HS256")


# The issuer of the token grant demo


@pytest.mark.parametrize("service", ["alpha", "beta"])
def test_a_jwt_svid_is_good_for_a_token(demo, issuer, workloads, service):
    answer = ask(issuer, workloads, audience=service, scope=f"demo {service}")
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert body["scope"] == f"demo {service} profile email"
    assert answer.headers["Cache-Control"] == "no-store"
    claims = read(demo, token_of(answer), service, GRANT_ISSUER)
    assert claims["exp"] - claims["iat"] == 300
    assert claims["aud"] == [service, "account"]
    assert claims["azp"] == claims["client_id"] == SANDBOX
    assert claims["sub"] == hashlib.sha256(SANDBOX.encode()).hexdigest()[:32]
    assert "demo_token_use" not in claims


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"grant_type": EXCHANGE}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": None}, 400, "unsupported_client_assertion_type"),
        (
            {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
            400, "unsupported_client_assertion_type",
        ),
        ({"client_assertion": None}, 400, "missing_client_assertion"),
        ({"client_assertion": ""}, 400, "missing_client_assertion"),
        ({"audience": None}, 400, "unsupported_audience"),
        ({"audience": "gamma"}, 400, "unsupported_audience"),
        ({"scope": None}, 403, "missing_matching_scope"),
        ({"scope": "beta"}, 403, "missing_matching_scope"),
        ({"scope": "alphabet"}, 403, "missing_matching_scope"),
    ],
)
def test_a_form_that_asks_for_something_else_is_refused(issuer, workloads, changed, status, code):
    refused(ask(issuer, workloads, **changed), status, code)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": None},
        {"iss": "http://another.example"},
        {"aud": None},
        {"aud": ["http://another.example"]},
        {"aud": f"{demo_services.SVID_AUDIENCE}/token"},
        {"exp": None},
        {"exp": 1},
        {"exp": "9999999999"},
        {"nbf": 9999999999},
        {"sub": None},
        {"sub": demo_services.SANDBOXES},
        {"sub": COORDINATOR},
        {"sub": "spiffe://another.example/app/demo/sandbox/demo-1"},
    ],
)
def test_a_jwt_svid_for_something_else_is_refused(issuer, workloads, changed):
    assertion = workloads.svid(changed.get("sub", SANDBOX), **{n: v for n, v in changed.items() if n != "sub"})
    refused(ask(issuer, workloads, client_assertion=assertion), 401, "invalid_client")


def test_a_jwt_svid_that_is_not_what_was_signed_is_refused(issuer, workloads):
    stranger = OddIssuer().mint({"iss": workloads.issuer, "sub": SANDBOX, "aud": demo_services.SVID_AUDIENCE,
                                 "exp": int(time.time()) + 60})
    good = workloads.svid()
    for assertion in [
        stranger,
        jws.unsecured(good),
        workloads.signed_by_public_key(),
        workloads.svid(header={"kid": None}),
        workloads.svid(header={"kid": "nobody's"}),
        workloads.svid(header={"kid": EC_KID}),
        workloads.svid(header={"alg": "RS512"}),
        workloads.svid(header={"alg": "PS256"}),
        # The exchange issuer takes it; this one does not.
        workloads.svid(header={"alg": "ES256", "kid": EC_KID}),
        workloads.svid(header={"typ": "at+jwt"}),
        jws.with_byte_changed(good, jws.SIGNATURE, 0.5),
        jws.with_member(good, jws.PAYLOAD, "sub", f"{demo_services.SANDBOXES}demo/sandbox/another"),
        f"{good}=", f"{good}.", good.rsplit(".", 1)[0], "a.b.c", jws.with_part(good, jws.PAYLOAD, b"[]"),
    ]:
        refused(ask(issuer, workloads, client_assertion=assertion), 401, "invalid_client")


def test_an_audience_may_be_a_text_or_one_of_a_list_and_typ_may_be_missing(issuer, workloads):
    for svid in [
        workloads.svid(aud=demo_services.SVID_AUDIENCE),
        workloads.svid(aud=["http://another.example", demo_services.SVID_AUDIENCE]),
        workloads.svid(header={"typ": None}),
        workloads.svid(header={"typ": "JOSE"}),
        # Clocks differ by as much.
        workloads.svid(nbf=int(time.time()) + 20),
    ]:
        assert ask(issuer, workloads, client_assertion=svid).status_code == 200


def test_what_is_no_form_is_refused(issuer, workloads):
    url = f"{issuer.url}/token"
    as_json = requests.post(url, json={"grant_type": "client_credentials"}, timeout=ANSWER_SECONDS)
    refused(as_json, 400, "invalid_request")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    twice = requests.post(url, data="audience=alpha&audience=beta", headers=form, timeout=ANSWER_SECONDS)
    refused(twice, 400, "invalid_request")
    at_limit = requests.post(url, data="a=" + "x" * (BODY_BYTES - 2), headers=form, timeout=ANSWER_SECONDS)
    refused(at_limit, 400, "unsupported_grant_type")
    too_long = requests.post(url, data="a=" + "x" * (BODY_BYTES - 1), headers=form, timeout=ANSWER_SECONDS)
    refused(too_long, 413, "invalid_request")
    for method, path in [("GET", "/token"), ("POST", "/"), ("POST", "/healthz")]:
        answer = requests.request(method, issuer.url + path, timeout=ANSWER_SECONDS)
        assert answer.status_code == 404
    healthy = requests.get(f"{issuer.url}/healthz", timeout=ANSWER_SECONDS)
    assert (healthy.status_code, healthy.text) == (200, "ok\n")


def test_a_fault_inside_is_logged_and_not_told(demo, workloads):
    lost = demo.issuer("token-issuer.mjs", SVID_KEY_SET=f"{workloads.issuer}/no-such-page")
    answer = ask(lost, workloads)
    refused(answer, 500, "server_error")
    assert "404" not in answer.text
    assert "answered with 404" in lost.log.read_text()


def test_a_service_without_its_settings_does_not_start(demo):
    with pytest.raises(AssertionError, match="SERVICE is not set"):
        demo.start("service.mjs", ISSUER=GRANT_ISSUER)


def test_a_secret_that_can_be_guessed_is_refused(demo, tmp_path):
    (tmp_path / "short").write_text("fifteen bytes..")
    with pytest.raises(AssertionError, match="fewer than 16 bytes"):
        demo.start("service.mjs", SERVICE="alpha", ISSUER=GRANT_ISSUER, SECRET_FILE=str(tmp_path / "short"))


# The issuer of the token exchange demo


def test_a_users_token_comes_to_the_service_by_two_exchanges(demo, exchange, workloads, user):
    subject = read(demo, user, EXCHANGE_ISSUER, EXCHANGE_ISSUER)
    assert (subject["sub"], subject["exp"] - subject["iat"]) == ("demo-user", 1800)
    assert subject["demo_token_use"] == "user_subject"

    first = readdressed(exchange, workloads, user)
    middle = read(demo, token_of(first), SANDBOX, EXCHANGE_ISSUER)
    assert (middle["sub"], middle["azp"], middle["aud"]) == ("demo-user", COORDINATOR, SANDBOX)
    assert middle["demo_token_use"] == "intermediate"

    second = exchanged(exchange, token_of(first), workloads.svid())
    body = second.json()
    assert body["issued_token_type"] == ACCESS_TOKEN
    assert (body["token_type"], body["scope"]) == ("Bearer", "beta profile email")
    claims = read(demo, token_of(second), "beta", EXCHANGE_ISSUER)
    assert (claims["sub"], claims["azp"]) == ("demo-user", SANDBOX)
    assert claims["aud"] == ["beta", "account"]
    assert claims["demo_token_use"] == "final"


def test_an_es256_svid_is_taken_at_both_stages(exchange, workloads, user):
    by_ec = {"header": {"alg": "ES256", "kid": EC_KID}}
    first = exchanged(exchange, user, workloads.svid(COORDINATOR, **by_ec), audience=SANDBOX, scope=None)
    assert exchanged(exchange, token_of(first), workloads.svid(**by_ec)).status_code == 200


def test_no_token_outlives_the_one_it_comes_from(demo, exchange, workloads):
    now = int(time.time())
    short = forged(demo, EXCHANGE_ISSUER, demo_token_use="user_subject", exp=now + 40)
    first = readdressed(exchange, workloads, short)
    assert first.json()["expires_in"] <= 40
    assert read(demo, token_of(first), SANDBOX, EXCHANGE_ISSUER)["exp"] <= now + 40
    final = exchanged(exchange, token_of(first), workloads.svid())
    assert read(demo, token_of(final), "beta", EXCHANGE_ISSUER)["exp"] <= now + 40


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": None}, 400, "unsupported_client_assertion_type"),
        ({"client_assertion": None}, 400, "missing_client_assertion"),
        ({"subject_token": None}, 400, "missing_subject_token"),
        ({"subject_token_type": None}, 400, "unsupported_subject_token_type"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, 400, "unsupported_subject_token_type"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}, 400, "unsupported_requested_token_type"),
        ({"subject_token": "abc"}, 400, "invalid_request"),
    ],
)
def test_a_form_that_asks_for_another_exchange_is_refused(exchange, workloads, user, changed, status, code):
    refused(readdressed(exchange, workloads, user, **changed), status, code)


@pytest.mark.parametrize("audience", [None, "beta", demo_services.SANDBOXES, COORDINATOR, f"x{SANDBOX}"])
def test_the_first_stage_addresses_a_token_to_a_sandbox_alone(exchange, workloads, user, audience):
    answer = readdressed(exchange, workloads, user, audience=audience)
    refused(answer, 400, "unsupported_intermediate_audience")


def test_only_the_coordinator_goes_the_first_stage(exchange, workloads, user):
    refused(exchanged(exchange, user, workloads.svid(), audience=SANDBOX), 401, "invalid_client")


def test_only_the_sandbox_that_it_is_for_goes_the_second_stage(exchange, workloads, intermediate):
    neighbour = workloads.svid(f"{demo_services.SANDBOXES}demo/sandbox/demo-2")
    refused(exchanged(exchange, intermediate, neighbour), 403, "intermediate_token_audience_mismatch")
    refused(exchanged(exchange, intermediate, workloads.svid(COORDINATOR)), 401, "invalid_client")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"audience": None}, 400, "unsupported_audience"),
        ({"audience": SANDBOX}, 400, "unsupported_audience"),
        ({"scope": None}, 403, "missing_matching_scope"),
        ({"scope": "alpha"}, 403, "missing_matching_scope"),
    ],
)
def test_the_second_stage_is_for_a_service_alone(exchange, workloads, intermediate, changed, status, code):
    refused(exchanged(exchange, intermediate, workloads.svid(), **changed), status, code)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": GRANT_ISSUER},
        {"exp": 1},
        {"exp": None},
        {"demo_token_use": "final"},
        {"demo_token_use": None},
    ],
)
def test_a_token_that_is_no_subject_is_refused(demo, exchange, workloads, changed):
    fields = {"demo_token_use": "user_subject"} | changed
    answer = readdressed(exchange, workloads, forged(demo, EXCHANGE_ISSUER, **fields))
    refused(answer, 400, "invalid_request")


def test_a_subject_token_that_another_signed_is_refused(exchange, workloads, user):
    for token in [
        jws.unsecured(user),
        jws.with_byte_changed(user, jws.SIGNATURE, 1.0),
        jws.with_member(user, jws.PAYLOAD, "sub", "another-user"),
        user.rsplit(".", 1)[0] + ".AA",
    ]:
        refused(readdressed(exchange, workloads, token), 400, "invalid_request")


# alpha and beta


def test_a_service_says_whose_token_it_got(issuer, workloads, alpha):
    token = token_of(ask(issuer, workloads))
    answer = call(alpha, token)
    assert answer.status_code == 200
    assert answer.text == (
        f"alpha called with path /:\n  aud: alpha, account\n  scope: alpha profile email\n  azp: {SANDBOX}\n"
    )
    assert call(alpha, token, "/reports?of=today").text.startswith("alpha called with path /reports?of=today:\n")


def test_after_an_exchange_it_names_the_user(exchange, workloads, intermediate, beta):
    token = token_of(exchanged(exchange, intermediate, workloads.svid()))
    assert call(beta, token).text == (
        f"beta called with path /:\n  aud: beta, account\n  scope: beta profile email\n  azp: {SANDBOX}\n"
        "  sub: demo-user\n"
    )


def test_who_shows_no_token_is_told_to(alpha):
    bare = call(alpha)
    refused_by_service(bare, 401, "missing_token")
    assert bare.headers["WWW-Authenticate"] == "Bearer"
    for header in ["Basic YTpi", "Bearer", "Bearer a b", "Bearer =", "Bearer \u00e9".encode()]:
        answer = requests.get(alpha.url, headers={"Authorization": header}, timeout=ANSWER_SECONDS)
        refused_by_service(answer, 401, "missing_token")


def refused_by_service(answer, status, code):
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": GRANT_ISSUER},
        {"aud": ["alpha", "account"]},
        {"aud": None},
        {"scope": "alpha profile email"},
        {"scope": None},
        {"exp": 1},
        {"exp": None},
        {"demo_token_use": None},
        {"demo_token_use": "intermediate"},
        {"demo_token_use": "user_subject"},
    ],
)
def test_a_token_for_something_else_is_refused(demo, beta, changed):
    assert call(beta, forged(demo, EXCHANGE_ISSUER)).status_code == 200
    refused_by_service(call(beta, forged(demo, EXCHANGE_ISSUER, **changed)), 403, "invalid_token")


def test_a_token_that_names_another_algorithm_is_refused(demo, beta):
    good = forged(demo, EXCHANGE_ISSUER)
    for algorithm in ["none", "HS512", "RS256"]:
        signing_input = jws.with_member(good, jws.HEADER, "alg", algorithm).rsplit(".", 1)[0]
        signature = jws.encode(hmac.digest(demo.secret, signing_input.encode(), hashlib.sha256))
        refused_by_service(call(beta, f"{signing_input}.{signature}"), 403, "invalid_token")


def test_a_token_that_another_signed_is_refused(demo, alpha, issuer, workloads):
    good = token_of(ask(issuer, workloads))
    for token in [
        jws.unsecured(good), jws.with_byte_changed(good, jws.SIGNATURE, 0.0), workloads.svid(), "abc",
        jws.with_member(good, jws.PAYLOAD, "azp", "spiffe://demo.example/app/demo/sandbox/another"),
    ]:
        refused_by_service(call(alpha, token), 403, "invalid_token")


def test_the_scripts_are_taken_by_node_as_they_stand():
    for script in sorted(demo_services.SERVICES.glob("*.mjs")):
        subprocess.run(["node", "--check", script], check=True, timeout=ANSWER_SECONDS)
