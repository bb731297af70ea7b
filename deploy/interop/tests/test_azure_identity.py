"""azure-identity in a process that has the sandbox's environment and nothing of ours, at a model of Entra.

The federated credential is the one that `moneyer trust azure` prints.
"""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from interop import entra_model, forged, jws, sandbox
from interop.cluster import command as moneyer

CLIENT, TENANT = "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d", "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5e"
ANSWER_SECONDS = 60
# What a workload does. It is told not to ask Microsoft whether the authority is one of theirs, which it does
# wherever it is led elsewhere.
WORKLOAD = """
from azure.identity import WorkloadIdentityCredential
found = WorkloadIdentityCredential(disable_instance_discovery=True)
print(found.get_token("https://vault.azure.net/.default").token)
"""


@pytest.fixture(scope="module")
def environment(cluster):
    """The file `env` once an operator has put profile and app: nothing is restarted."""
    moneyer(cluster, "audience", "put", "azure", "--preset", "azure")
    accounts = [] if (role := sandbox.environment(cluster).get("AWS_ROLE_ARN")) is None else ["--aws-role", role]
    moneyer(cluster, "app", "put", "demo", "--azure-client-id", CLIENT, "--azure-tenant-id", TENANT, *accounts)
    token = cluster.sandbox_directory / "tokens" / "azure"
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (token.exists() and "AZURE_CLIENT_ID" in sandbox.environment(cluster)):
        assert time.monotonic() < deadline, "the sandbox got no token for Azure"
        time.sleep(0.05)
    said = dict(sandbox.environment(cluster))
    assert said["AZURE_FEDERATED_TOKEN_FILE"] == str(token)
    return said


@pytest.fixture(scope="module")
def credential(cluster, environment):
    """What an operator pastes into a shell."""
    printed = moneyer(cluster, "trust", "azure", "--app", "demo")
    parameters = json.loads(re.search(r"--parameters '(.*)'", printed)[1])
    assert f"--id {CLIENT}" in printed
    [audience] = parameters["audiences"]
    return entra_model.Credential(TENANT, CLIENT, parameters["issuer"], parameters["subject"], audience)


@pytest.fixture
def answered(environment, tmp_path):
    """Runs the workload; gives what it ended with and what the model answered."""

    def run(credential: entra_model.Credential, token: str | None = None, now: int | None = None):
        led = dict(environment)
        if token is not None:
            (tmp_path / "token").write_text(token)
            led["AZURE_FEDERATED_TOKEN_FILE"] = str(tmp_path / "token")
        now = now or int(time.time())
        with entra_model.serving(credential, now, tmp_path) as (address, trusted, answers):
            led |= {"AZURE_AUTHORITY_HOST": address, "REQUESTS_CA_BUNDLE": str(trusted),
                    "HOME": str(tmp_path), "no_proxy": "localhost"}
            ended = subprocess.run([sys.executable, "-I", "-c", WORKLOAD], capture_output=True, text=True,
                                   cwd=tmp_path, timeout=ANSWER_SECONDS, env=led, check=False)
        return ended, answers

    return run


@pytest.fixture
def token(cluster, environment):
    return sandbox.token_from_file(cluster, "tokens/azure")


def test_azure_identity_gets_an_access_token(answered, credential, token):
    ended, answers = answered(credential)
    assert ended.returncode == 0, ended.stderr
    subject = jws.claims(token)["sub"]
    assert ended.stdout.strip() == f"for {subject}"
    assert answers == [subject]


def refused(ran, number: int) -> None:
    ended, answers = ran
    assert ended.returncode != 0 and f"AADSTS{number}" in ended.stderr, ended.stderr
    assert set(answers) == {number}


@pytest.mark.parametrize("name, number", [("issuer", 700211), ("audience", 700212), ("subject", 700213)])
def test_a_credential_that_says_otherwise_by_a_letter_refuses_the_token(answered, credential, name, number):
    refused(answered(replace(credential, **{name: getattr(credential, name) + "x"})), number)


def test_a_token_for_someone_else_is_refused(answered, cluster, credential):
    refused(answered(credential, sandbox.token_from_socket(cluster, "https://someone.example")), 700212)


def test_a_token_of_another_key_is_refused(answered, credential, token):
    refused(answered(credential, forged.signed_by_another_key(token)), 700027)


def test_a_changed_token_is_refused(answered, credential, token):
    refused(answered(credential, jws.with_byte_changed(token, jws.SIGNATURE, 0.5)), 700027)


def test_a_token_is_refused_once_it_is_over(answered, credential, token):
    refused(answered(credential, token, now=jws.claims(token)["exp"]), 700024)
