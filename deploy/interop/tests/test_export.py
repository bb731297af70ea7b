"""The keys an operator prints, for relying parties that fetch none."""

import json
import os
import pathlib
import re
import subprocess

import jwt

from interop import sandbox

ANSWER_SECONDS = 60


def exported(cluster, form: str) -> str:
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    command = [moneyer, "--config", cluster.config, "key", "export", "--form", form]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    return ended.stdout


def test_the_key_set_is_the_one_that_is_served(cluster, key_set):
    assert json.loads(exported(cluster, "jwks")) == key_set


def test_a_token_verifies_by_the_first_pem_alone(cluster):
    """As HAProxy and others do, which read one key from a file."""
    text = exported(cluster, "pem")
    token = sandbox.token_from_file(cluster)
    kid, algorithm, pem = re.match(
        r"# (\S+) (\S+)\n(-----BEGIN PUBLIC KEY-----\n.*?-----END PUBLIC KEY-----\n)", text, re.DOTALL
    ).groups()
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": kid, "typ": "JWT"}
    claims = jwt.decode(token, pem, algorithms=[algorithm], audience="moneyer")
    assert claims["iss"] == cluster.issuer
