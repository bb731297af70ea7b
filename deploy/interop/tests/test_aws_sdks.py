"""AWS SDKs in a process that has the sandbox's environment and nothing of ours, at a model of STS.

The role's trust policy is the one that `moneyer trust aws` prints.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from interop import jws, sandbox, sts_model

ROLE = "arn:aws:iam::123456789012:role/interop"
ANSWER_SECONDS = 60
AUDIENCE = "sts.amazonaws.com"
INTEROP = pathlib.Path(__file__).parent.parent / "interop"
# What a workload does: it asks for nothing, the SDK's own chain finds the token file.
BOTO3 = """
import boto3, json
found = boto3.Session().get_credentials()
frozen = found.get_frozen_credentials()
print(json.dumps({"key": frozen.access_key, "token": frozen.token}))
"""
WORKLOADS = {
    "boto3": [sys.executable, "-I", "-c", BOTO3],
    "aws-sdk-js": ["node", INTEROP / "aws_credentials.mjs"],
}


@pytest.fixture(params=WORKLOADS)
def workload(request, tmp_path):
    """Each SDK; the interpreter is the only thing it shares with this process."""

    def run(environment: dict, sts: str) -> subprocess.CompletedProcess:
        where = {"AWS_ENDPOINT_URL_STS": sts, "AWS_DEFAULT_REGION": "eu-central-1",
                 "AWS_REGION": "eu-central-1", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        return subprocess.run(
            WORKLOADS[request.param], capture_output=True, text=True, cwd=tmp_path,
            timeout=ANSWER_SECONDS, env=environment | where,
        )

    return run


@pytest.fixture(scope="module")
def told(cluster):
    """The file `env` once an operator has said which role the app has at AWS: nothing is restarted."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    command = [moneyer, "--config", cluster.config, "app", "put", "demo", "--aws-role", ROLE]
    subprocess.run(command, check=True, timeout=ANSWER_SECONDS)
    deadline = time.monotonic() + ANSWER_SECONDS
    while "AWS_ROLE_ARN" not in sandbox.environment(cluster):
        assert time.monotonic() < deadline, "the sandbox was not told its role"
        time.sleep(0.05)
    return sandbox.environment(cluster)


@pytest.fixture
def environment(cluster, told):
    """What leads the SDK to the token file of the `aws` profile, and to its role."""
    said = dict(told)
    assert said["AWS_ROLE_ARN"] == ROLE
    assert said["AWS_WEB_IDENTITY_TOKEN_FILE"] == str(cluster.sandbox_directory / "tokens" / "aws")
    assert said["AWS_ROLE_SESSION_NAME"] == cluster.sandbox_directory.name
    return said


def printed_policy(cluster, *which: str) -> dict:
    """What an operator pastes into AWS."""
    printed = trust(cluster, "aws", "--app", "demo", "--form", "policy", *which)
    assert printed.returncode == 0, printed.stderr
    return json.loads(printed.stdout)


@pytest.fixture(scope="module")
def account(cluster, told):
    """An account to which was said what `moneyer trust aws` prints."""
    return sts_model.Account(cluster.issuer, [AUDIENCE], {ROLE: printed_policy(cluster)})


def test_a_workload_gets_credentials(cluster, account, environment, workload):
    token = jws.claims(sandbox.token_from_file(cluster, "tokens/aws"))
    with sts_model.serving(account, int(time.time())) as (sts, answers):
        ended = workload(environment, sts)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"key": "ASIAMODEL", "token": token["sub"]}
    assert answers == [token["sub"]]


def trust(cluster, *arguments: object) -> subprocess.CompletedProcess:
    """`moneyer trust`, as an operator runs it."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    return subprocess.run(
        [moneyer, "--config", cluster.config, "trust", *arguments], capture_output=True, text=True,
        timeout=ANSWER_SECONDS,
    )


def test_the_printed_policy_is_for_the_app_and_a_changed_one_is_explained(cluster, told, tmp_path):
    printed = trust(cluster, "aws", "--app", "demo", "--form", "policy")
    assert printed.returncode == 0, printed.stderr
    policy, token = tmp_path / "policy.json", cluster.sandbox_directory / "tokens" / "aws"
    policy.write_text(printed.stdout)
    explained = trust(cluster, "explain", token, "--policy", policy, "--role", ROLE)
    assert explained.returncode == 0, explained.stdout
    sub = jws.claims(token.read_text())["sub"]
    policy.write_text(printed.stdout.replace(sub, sub.replace("demo", "other")))
    explained = trust(cluster, "explain", token, "--policy", policy, "--role", ROLE)
    assert explained.returncode == 1 and "REFUSED" in explained.stdout
    assert f"the token has {sub}; the policy wants" in explained.stdout


@pytest.mark.parametrize("index", [jws.PAYLOAD, jws.SIGNATURE], ids=["payload", "signature"])
def test_a_changed_token_is_refused(cluster, account, environment, workload, tmp_path, index):
    changed = jws.with_byte_changed(sandbox.token_from_file(cluster, "tokens/aws"), index, 0.5)
    file = tmp_path / "token"
    file.write_text(changed)
    environment |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}
    with sts_model.serving(account, int(time.time())) as (sts, answers):
        ended = workload(environment, sts)
    assert ended.returncode != 0 and "InvalidIdentityToken" in ended.stderr
    assert answers == ["InvalidIdentityToken"]


def test_a_token_for_someone_else_is_refused(cluster, account, environment, workload):
    environment |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(cluster.token_file)}
    with sts_model.serving(account, int(time.time())) as (sts, answers):
        ended = workload(environment, sts)
    assert ended.returncode != 0 and "InvalidIdentityToken" in ended.stderr
    assert answers == ["InvalidIdentityToken"]


def test_a_policy_for_another_app_refuses_the_token(cluster, account, environment, workload):
    other = json.loads(json.dumps(account.roles[ROLE]).replace("demo", "other"))
    account = sts_model.Account(cluster.issuer, [AUDIENCE], {ROLE: other})
    with sts_model.serving(account, int(time.time())) as (sts, answers):
        ended = workload(environment, sts)
    assert ended.returncode != 0 and "AccessDenied" in ended.stderr
    assert answers == ["AccessDenied"]


PINNED = "https://pinned.example"


@pytest.fixture(scope="module")
def pinned(cluster, told, tmp_path_factory):
    """A token that is pinned to the role, with a session tag and a source identity, and its policy."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    command = [moneyer, "--config", cluster.config, "audience", "put", "pinned", "--preset", "aws",
               "--value", PINNED, "--aws-role", ROLE, "--aws-tag", "app",
               "--aws-source-identity", "app"]
    subprocess.run(command, check=True, timeout=ANSWER_SECONDS)
    token = tmp_path_factory.mktemp("pinned") / "token"
    token.write_text(sandbox.token_from_socket(cluster, PINNED))
    return token, printed_policy(cluster, "--audience", "pinned")


def test_what_a_token_says_to_aws_needs_what_its_policy_allows(cluster, pinned, environment, workload):
    token, policy = pinned

    def answered(role: str, policy: dict) -> list[str]:
        account = sts_model.Account(cluster.issuer, [PINNED], {ROLE: policy, role: policy})
        with sts_model.serving(account, int(time.time())) as (sts, answers):
            led = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": role}
            workload(environment | led, sts)
        return answers

    assert answered(ROLE, policy) == [jws.claims(token.read_text())["sub"]]
    assert answered(ROLE + "-other", policy) == ["InvalidIdentityToken"]
    for action in ("sts:TagSession", "sts:SetSourceIdentity"):
        without = json.loads(json.dumps(policy))
        without["Statement"][0]["Action"].remove(action)
        assert answered(ROLE, without) == ["AccessDenied"], action
