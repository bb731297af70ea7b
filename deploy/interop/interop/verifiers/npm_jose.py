"""npm's jose, in a process of its own: one JSON request in, one JSON answer out."""

import json
import os
import pathlib
import subprocess
from dataclasses import asdict

from .port import LEEWAY_SECONDS, Expected, Refused

PROGRAM = pathlib.Path(__file__).with_suffix(".mjs")
ANSWER_SECONDS = 30


def verify(token: str, expected: Expected) -> dict:
    """An ending other than an answer is a failure of the suite, not a refusal."""
    request = {"token": token, "leeway": LEEWAY_SECONDS, **asdict(expected)}
    ended = subprocess.run(
        ["node", PROGRAM], input=json.dumps(request), capture_output=True, text=True,
        timeout=ANSWER_SECONDS, env={"PATH": os.environ["PATH"]},
    )
    if ended.returncode != 0:
        raise RuntimeError(f"npm_jose.mjs ended with {ended.returncode}:\n{ended.stderr}")
    answer = json.loads(ended.stdout)
    if "refused" in answer:
        raise Refused(f"npm jose: {answer['refused']}")
    return answer["claims"]
