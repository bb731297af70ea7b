"""google-auth in a process that has the sandbox's environment and nothing of ours, at a model of Google.

The provider is the one that `moneyer trust gcp` prints.
"""

import json
import pathlib
import shlex
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from google.auth import identity_pool
from google.auth.exceptions import OAuthError
from google.auth.transport.requests import Request

from interop import forged, google_model, jws, sandbox
from interop.cluster import command as moneyer
from interop.odd_issuer import EC_KID, OddIssuer

POOL = "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/p/providers/m"
ANSWER_SECONDS = 60
# What a workload does: it asks for nothing, the application default credentials find the token.
WORKLOAD = """
import google.auth, google.auth.transport.requests
found, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
found.refresh(google.auth.transport.requests.Request())
print(found.token)
"""


@pytest.fixture(scope="module")
def environment(cluster):
    """The file `env` once an operator has put the profile: nothing is restarted."""
    moneyer(cluster, "audience", "put", "gcp", "--preset", "gcp", "--value", POOL)
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (cluster.sandbox_directory / "tokens" / "gcp").exists():
        assert time.monotonic() < deadline, "the sandbox got no token for Google"
        time.sleep(0.05)
    said = sandbox.environment(cluster)
    written = cluster.sandbox_directory / "google" / "credentials.json"
    assert said["GOOGLE_APPLICATION_CREDENTIALS"] == str(written)
    return said


@pytest.fixture(scope="module")
def provider(cluster, environment):
    """What an operator pastes into a shell."""
    printed = shlex.split(moneyer(cluster, "trust", "gcp", "--app", "demo"), comments=True)
    flags = dict(word.removeprefix("--").split("=", 1) for word in printed if word.startswith("--"))
    condition = flags["attribute-condition"]
    assert condition == "assertion.identity_type == 'sandbox'"
    return google_model.Provider(flags["issuer-uri"], POOL, [flags["allowed-audiences"]], condition)


@pytest.fixture
def answered(environment, tmp_path):
    """Runs the workload with the file that `source` names, led to the model in place of Google; gives what it
    ended with and what the model answered."""

    def run(provider: google_model.Provider, source: str = "credentials.json", token: str | None = None):
        written = pathlib.Path(environment["GOOGLE_APPLICATION_CREDENTIALS"]).parent / source
        credentials = json.loads(written.read_text())
        assert credentials["token_url"] == "https://sts.googleapis.com/v1/token"
        if token is not None:
            (tmp_path / "token").write_text(token)
            credentials["credential_source"]["file"] = str(tmp_path / "token")
        with google_model.serving(provider, int(time.time()), tmp_path) as (token_url, trusted, answers):
            led = tmp_path / source
            led.write_text(json.dumps(credentials | {"token_url": token_url}))
            where = {
                "GOOGLE_APPLICATION_CREDENTIALS": str(led), "HOME": str(tmp_path),
                # Without a project named the library would ask Google for it, with the access token.
                "GOOGLE_CLOUD_PROJECT": "interop", "REQUESTS_CA_BUNDLE": str(trusted),
                "no_proxy": "127.0.0.1,localhost",
            }
            ended = subprocess.run([sys.executable, "-I", "-c", WORKLOAD], capture_output=True, text=True,
                                   cwd=tmp_path, timeout=ANSWER_SECONDS, env=environment | where, check=False)
        return ended, answers

    return run


@pytest.fixture
def token(cluster, environment):
    return sandbox.token_from_file(cluster, "tokens/gcp")


@pytest.mark.parametrize("source", ["credentials.json", "credentials-url.json"])
def test_google_auth_gets_an_access_token(answered, provider, token, source):
    ended, answers = answered(provider, source)
    assert ended.returncode == 0, ended.stderr
    subject = jws.claims(token)["sub"]
    assert ended.stdout.strip() == f"for {subject}"
    assert answers == [subject]


def refused(ran, error: str) -> None:
    ended, answers = ran
    assert ended.returncode != 0 and error in ended.stderr, ended.stderr
    assert set(answers) == {error}


def test_another_provider_refuses_the_request(answered, provider):
    """google-auth says which provider it asks."""
    refused(answered(replace(provider, name=POOL + "2")), "invalid_request")


@pytest.mark.parametrize("changed, error", [
    ({"issuer": "https://other.example"}, "invalid_grant"),
    ({"allowed_audiences": [POOL + "2"]}, "invalid_grant"),
    ({"condition": "assertion.identity_type == 'system'"}, "unauthorized_client"),
])
def test_a_provider_that_says_otherwise_refuses_the_token(answered, provider, changed, error):
    refused(answered(replace(provider, **changed)), error)


def test_a_token_for_someone_else_is_refused(answered, cluster, provider):
    token = sandbox.token_from_socket(cluster, "https://someone.example")
    refused(answered(provider, token=token), "invalid_grant")


def test_a_token_of_another_key_is_refused(answered, provider, token):
    refused(answered(provider, token=forged.signed_by_another_key(token)), "invalid_grant")


NOW = 1_800_000_000


@pytest.fixture(scope="module")
def odd():
    return OddIssuer()


@pytest.mark.parametrize("changed, header, is_taken", [
    pytest.param({}, {}, True, id="as-it-should-be"),
    pytest.param({"aud": f"https:{POOL}"}, {}, True, id="its-name-as-an-address"),
    pytest.param({}, {"alg": "ES256", "kid": EC_KID}, True, id="ES256"),
    pytest.param({}, {"alg": "RS512"}, False, id="RS512"),
    pytest.param({}, {"kid": None}, False, id="without-kid"),
    pytest.param({"iat": NOW + 1}, {}, False, id="issued-in-the-future"),
    pytest.param({"exp": NOW}, {}, False, id="over"),
    pytest.param({"exp": NOW + 48 * 3600 - 1}, {}, True, id="just-under-two-days"),
    pytest.param({"exp": NOW + 48 * 3600}, {}, False, id="for-two-days"),
    pytest.param({"sub": "s" * 127}, {}, True, id="127-bytes"),
    pytest.param({"sub": "s" * 128}, {}, False, id="128-bytes"),
])
def test_the_model_refuses_what_google_documents(odd, tmp_path, monkeypatch, changed, header, is_taken):
    """Each rule beside the nearest that passes, through google-auth."""
    with odd.serving() as issuer:
        said = {"iss": issuer, "sub": "s", "aud": POOL, "iat": NOW, "exp": NOW + 900} | changed
        (tmp_path / "token").write_text(odd.mint(said, header))
        provider = google_model.Provider(issuer, POOL)
        with google_model.serving(provider, NOW, tmp_path) as (token_url, trusted, answers):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
            monkeypatch.setenv("no_proxy", "localhost")
            credentials = identity_pool.Credentials.from_info({
                "type": "external_account", "audience": POOL, "token_url": token_url,
                "subject_token_type": google_model.JWT, "credential_source": {"file": str(tmp_path / "token")},
            })
            if is_taken:
                credentials.refresh(Request())
                assert credentials.token == f"for {said['sub']}"
            else:
                with pytest.raises(OAuthError):
                    credentials.refresh(Request())
                assert answers == ["invalid_grant"]
