"""A real STS, and objects behind it: Ceph's RADOS Gateway takes our tokens and refuses all others.

Its tenant has the number of an AWS account, so that the policy `moneyer trust aws` prints fits as it is;
only the blanks between its parts are taken out, which the gateway does not read. The provider is
told the thumbprint that the same command prints.
"""

import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass

import boto3
import pytest
from botocore.exceptions import ClientError

from interop import cluster as development
from interop import documents, forged, jws, lab, radosgw, sandbox
from interop.cluster import command as moneyer
from interop.verifiers import Expected, joserfc_jwt

ACCOUNT = "123456789012"
ISSUER = "http://127.0.0.1"
AUDIENCE = "sts.amazonaws.com"
BUCKET = "public-documents"
PUBLISHED = [
    "jwks.json", "openid-configuration", "oauth-authorization-server",
    "spiffe-bundle", "spiffe-bundle.pem", "spiffe-jwks.json",
]
ANSWER_SECONDS = 60
INTEROP = pathlib.Path(__file__).parent.parent / "interop"
ALL_OF_S3 = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::*"}],
}


@dataclass(frozen=True)
class Cloud:
    """The gateway and the cluster it trusts."""

    gateway: radosgw.Gateway
    cluster: development.Cluster
    policy: dict

    def client(self, name: str, access_key: str = "none", secret_key: str = "none"):
        return boto3.client(
            name, endpoint_url=self.gateway.endpoint, region_name="us-east-1",
            aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        )

    def administrator(self):
        return self.client("iam", self.gateway.access_key, self.gateway.secret_key)

    def put_role(self, name: str, policy: dict) -> None:
        iam = self.administrator()
        iam.create_role(RoleName=name, Path="/", AssumeRolePolicyDocument=compact(policy))
        iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=compact(ALL_OF_S3))

    def assume(self, token: str, name: str = "demo") -> dict:
        return self.client("sts").assume_role_with_web_identity(
            RoleArn=role(name), RoleSessionName="interop", WebIdentityToken=token
        )


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def compact(policy: dict) -> str:
    """Without blanks: of a `+` in the form the gateway makes none."""
    return json.dumps(policy, separators=(",", ":"))


def key_set() -> list[dict]:
    return documents.fetch(documents.discover(ISSUER, ISSUER))["keys"]


def first_certificate() -> bytes:
    """What the gateway reads the key from."""
    [certificate] = key_set()[0]["x5c"]
    return base64.b64decode(certificate, validate=True)


def published_to(gateway) -> dict[str, str]:
    """A bucket, which is not there yet, for the public documents."""
    secret = gateway.place / "bucket.key"
    secret.touch(mode=0o600)
    secret.write_text(gateway.secret_key)
    bucket = {
        "ENDPOINT": gateway.endpoint, "NAME": BUCKET, "REGION": "us-east-1", "PREFIX": "prod-1",
        "ACCESS_KEY_ID": gateway.access_key, "SECRET_KEY_FILE": str(secret), "PATH_STYLE": "true",
    }
    return {f"MONEYER__PUBLISH__BUCKET__{name}": value for name, value in bucket.items()}


@pytest.fixture(scope="module")
def cloud():
    """Everything that was printed is done, and nothing else."""
    program = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    settings = {
        # The gateway takes no issuer with a port.
        "MONEYER__ISSUER__URL": ISSUER,
        "MONEYER__LISTEN__PUBLIC": "127.0.0.1:80",
        "MONEYER__KEYS__X5C": "true",
        # A rotation at once. Elsewhere a key is published long before it signs.
        "MONEYER__KEYS__PUBLISH_BEFORE_USE": "0s",
        "MONEYER__TOKENS__MINIMUM_LIFETIME": "1s",
    }
    with (
        lab.private_network("a real STS"),
        radosgw.running(ACCOUNT) as gateway,
        development.running(program, settings | published_to(gateway)) as cluster,
    ):
        moneyer(cluster, "app", "put", "demo", "--aws-role", role("demo"))
        commands = moneyer(cluster, "trust", "aws", "--app", "demo")
        thumbprint = re.search(r"--thumbprint-list ([0-9a-f]{40})$", commands, re.MULTILINE)[1]
        assert thumbprint == hashlib.sha1(first_certificate(), usedforsecurity=False).hexdigest()
        policy = json.loads(moneyer(cluster, "trust", "aws", "--app", "demo", "--form", "policy"))
        cloud = Cloud(gateway, cluster, policy)
        cloud.administrator().create_open_id_connect_provider(
            Url=ISSUER, ClientIDList=[AUDIENCE], ThumbprintList=[thumbprint]
        )
        cloud.put_role("demo", policy)
        yield cloud


@pytest.fixture(scope="module")
def token(cloud):
    """The sandbox's own, from its file."""
    return sandbox.token_from_file(cloud.cluster, "tokens/aws")


@pytest.mark.parametrize("workload", [
    pytest.param([sys.executable, "-I", INTEROP / "s3_workload.py"], id="boto3"),
    pytest.param(["node", INTEROP / "s3_workload.mjs"], id="aws-sdk-js"),
])
def test_a_workload_writes_and_reads_an_object(cloud, tmp_path, workload, request):
    deadline = time.monotonic() + ANSWER_SECONDS
    while "AWS_ROLE_ARN" not in sandbox.environment(cloud.cluster):
        assert time.monotonic() < deadline, "the sandbox was not told its role"
        time.sleep(0.05)
    bucket, text = f"of-{request.node.callspec.id}", "written with nothing but a token"
    where = {
        "AWS_ENDPOINT_URL": cloud.gateway.endpoint, "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "HOME": str(tmp_path), "PATH": os.environ["PATH"],
    }
    ended = subprocess.run(
        [*workload, bucket, text], env=dict(sandbox.environment(cloud.cluster)) | where, cwd=tmp_path,
        capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == text


def test_the_gateway_knows_who_it_is(cloud, token):
    assumed = cloud.assume(token)
    assert assumed["SubjectFromWebIdentityToken"] == jws.claims(token)["sub"]
    assert assumed["Audience"] == AUDIENCE


def refused(cloud, token: str, name: str = "demo") -> None:
    with pytest.raises(ClientError) as caught:
        cloud.assume(token, name)
    # The gateway says 403 and no more.
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_token_for_another_audience_is_refused(cloud):
    refused(cloud, sandbox.token_from_socket(cloud.cluster, "https://relying-party.example"))


@pytest.mark.parametrize("claim", ["sub", "aud"])
def test_a_policy_for_somebody_else_refuses_the_token(cloud, token, claim):
    """The same policy but for one condition: what the printed one pins is what the gateway compares."""
    changed = json.loads(json.dumps(cloud.policy))
    conditions = changed["Statement"][0]["Condition"]["StringEquals"]
    conditions[f"127.0.0.1:{claim}"] += "x"
    cloud.put_role(f"other-{claim}", changed)
    refused(cloud, token, f"other-{claim}")


def test_a_token_of_another_key_is_refused(cloud, token):
    refused(cloud, forged.signed_by_another_key(token))


def test_a_changed_token_is_refused(cloud, token):
    for index in (jws.PAYLOAD, jws.SIGNATURE):
        refused(cloud, jws.with_byte_changed(token, index, 0.5))


def test_an_expired_token_is_refused(cloud):
    """Not a forged one: it was good a moment ago."""
    short = sandbox.token_from_socket(cloud.cluster, AUDIENCE, ttl=5)
    cloud.assume(short)
    while time.time() <= jws.claims(short)["exp"]:
        time.sleep(0.1)
    refused(cloud, short)


def test_a_token_of_another_issuer_is_refused(cloud, token):
    """One that the gateway was not told, with keys that it finds all the same."""
    refused(cloud, forged.signed_by_another_key(token, iss="http://localhost"))


def test_what_is_exported_for_google_has_no_certificates(cloud):
    exported = json.loads(moneyer(cloud.cluster, "key", "export"))
    without = [{name: key[name] for name in key if name != "x5c"} for key in key_set()]
    assert exported == {"keys": without}


def test_the_documents_are_published_byte_for_byte(cloud):
    """The gateway checks the signature of every request that puts one."""
    with pytest.raises(subprocess.CalledProcessError) as refused_for:
        moneyer(cloud.cluster, "publish", "now")
    assert "NoSuchBucket" in refused_for.value.stdout
    s3 = cloud.client("s3", cloud.gateway.access_key, cloud.gateway.secret_key)
    s3.create_bucket(Bucket=BUCKET)
    assert f"s3://{BUCKET}/prod-1" in moneyer(cloud.cluster, "publish", "now")
    for path in PUBLISHED:
        there = s3.get_object(Bucket=BUCKET, Key=f"prod-1/.well-known/{path}")
        with urllib.request.urlopen(f"{ISSUER}/.well-known/{path}", timeout=ANSWER_SECONDS) as served:
            assert there["Body"].read() == served.read()
            assert there["CacheControl"] == served.headers["cache-control"]
            assert there["ContentType"] == served.headers["content-type"]
    secret = cloud.gateway.place / "bucket.key"
    secret.write_text("another")
    with pytest.raises(subprocess.CalledProcessError) as refused_for:
        moneyer(cloud.cluster, "publish", "now")
    assert "was not taken: the server answered 403 Forbidden" in refused_for.value.stdout
    secret.write_text(cloud.gateway.secret_key)
    moneyer(cloud.cluster, "publish", "now")


def test_after_a_rotation_the_first_key_alone_is_taken(cloud, token):
    """What docs/clouds.md warns of: the key before is still published, and its token is good elsewhere."""
    moneyer(cloud.cluster, "key", "rotate")
    deadline = time.monotonic() + ANSWER_SECONDS
    kid = jws.header(token)["kid"]
    while (kids := published())[0] == kid:
        assert time.monotonic() < deadline, "no other key signs"
        time.sleep(0.1)
    assert kid in kids
    expected = Expected(ISSUER, AUDIENCE, int(time.time()), ISSUER)
    assert joserfc_jwt.verify(token, expected)["iss"] == ISSUER
    refused(cloud, token)
    cloud.assume(sandbox.token_from_socket(cloud.cluster, AUDIENCE))


def published() -> list[str]:
    return [key["kid"] for key in key_set()]
