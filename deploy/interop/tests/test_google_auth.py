"""google-auth in a process that has the sandbox's environment and nothing of ours."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from interop import jws, sandbox, stub_google

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
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    command = [moneyer, "--config", cluster.config, "audience", "put", "gcp", "--preset", "gcp",
               "--value", POOL]
    subprocess.run(command, check=True, timeout=ANSWER_SECONDS)
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (cluster.sandbox_directory / "tokens" / "gcp").exists():
        assert time.monotonic() < deadline, "the sandbox got no token for Google"
        time.sleep(0.05)
    said = sandbox.environment(cluster)
    written = cluster.sandbox_directory / "google" / "credentials.json"
    assert said["GOOGLE_APPLICATION_CREDENTIALS"] == str(written)
    return said


def workload(environment: dict, home: pathlib.Path, source: str, token_url: str):
    """Runs the workload with the file that `source` names, led to the stub in place of Google."""
    written = pathlib.Path(environment["GOOGLE_APPLICATION_CREDENTIALS"]).parent / source
    credentials = json.loads(written.read_text())
    assert credentials["token_url"] == "https://sts.googleapis.com/v1/token"
    led = home / source
    led.write_text(json.dumps(credentials | {"token_url": token_url}))
    return subprocess.run(
        [sys.executable, "-I", "-c", WORKLOAD], capture_output=True, text=True, cwd=home,
        timeout=ANSWER_SECONDS,
        # Without a project named the library would ask Google for it, with the access token.
        env=environment | {"GOOGLE_APPLICATION_CREDENTIALS": str(led), "HOME": str(home),
                           "GOOGLE_CLOUD_PROJECT": "interop",
                           "no_proxy": "127.0.0.1"},
    )


@pytest.mark.parametrize("source", ["credentials.json", "credentials-url.json"])
def test_google_auth_gets_an_access_token(cluster, environment, tmp_path, source):
    with stub_google.serving(cluster.issuer, POOL, int(time.time())) as (token_url, answers):
        ended = workload(environment, tmp_path, source, token_url)
    assert ended.returncode == 0, ended.stderr
    token = jws.claims(sandbox.token_from_file(cluster, "tokens/gcp"))
    assert answers == [token["sub"]]
    assert len(ended.stdout.strip()) == len(token["jti"])


def test_google_auth_is_refused_with_a_token_for_someone_else(cluster, environment, tmp_path):
    with stub_google.serving(cluster.issuer, POOL + "2", int(time.time())) as (token_url, answers):
        ended = workload(environment, tmp_path, "credentials.json", token_url)
    assert ended.returncode != 0
    assert answers == ["invalid_request"], "google-auth says which provider it asks"
