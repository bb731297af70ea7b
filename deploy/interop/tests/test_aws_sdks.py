"""boto3 in a process that has the sandbox's environment and nothing of ours."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from interop import jws, sandbox, stub_sts

ROLE = "arn:aws:iam::123456789012:role/interop"
ANSWER_SECONDS = 60
# What a workload does: it asks for nothing, the SDK's own chain finds the token file.
WORKLOAD = """
import boto3, json
found = boto3.Session().get_credentials()
frozen = found.get_frozen_credentials()
print(json.dumps({"method": found.method, "key": frozen.access_key, "token": frozen.token}))
"""


def workload(environment: dict, home: pathlib.Path, sts: str) -> subprocess.CompletedProcess:
    """Runs the workload; the interpreter is the only thing it shares with this process."""
    return subprocess.run(
        [sys.executable, "-I", "-c", WORKLOAD], capture_output=True, text=True, cwd=home,
        timeout=ANSWER_SECONDS,
        env=environment | {"AWS_ENDPOINT_URL_STS": sts, "AWS_DEFAULT_REGION": "eu-central-1",
                           "HOME": str(home)},
    )


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


def test_boto3_gets_credentials(cluster, environment, tmp_path):
    token = jws.claims(sandbox.token_from_file(cluster, "tokens/aws"))
    with stub_sts.serving(cluster.issuer, int(time.time())) as (sts, answers):
        ended = workload(environment, tmp_path, sts)
    assert ended.returncode == 0, ended.stderr
    got = json.loads(ended.stdout)
    assert got == {"method": "assume-role-with-web-identity", "key": "ASIASTUB", "token": token["jti"]}
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
def test_boto3_is_refused_with_a_changed_token(cluster, environment, tmp_path, index):
    changed = jws.with_byte_changed(sandbox.token_from_file(cluster, "tokens/aws"), index, 0.5)
    file = tmp_path / "token"
    file.write_text(changed)
    environment |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}
    with stub_sts.serving(cluster.issuer, int(time.time())) as (sts, answers):
        ended = workload(environment, tmp_path, sts)
    assert ended.returncode != 0 and "InvalidIdentityToken" in ended.stderr
    assert answers == ["InvalidIdentityToken"]


def test_boto3_is_refused_with_a_token_for_someone_else(cluster, environment, tmp_path):
    environment |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(cluster.token_file)}
    with stub_sts.serving(cluster.issuer, int(time.time())) as (sts, answers):
        ended = workload(environment, tmp_path, sts)
    assert ended.returncode != 0 and "InvalidIdentityToken" in ended.stderr
    assert answers == ["InvalidIdentityToken"]
