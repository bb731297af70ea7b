"""Keys rotate while relying parties with caches of their own look on.

`ROTATION_SECONDS` sets how long (default 80; the long run takes ten minutes) and `ROTATION_EVERY` how
often keys change (default every 8 s). jose does not fetch a key set again within 30 s, so a key has to be
published longer than that before it signs; with publication before use switched off, it refuses tokens.
"""

import itertools
import os
import pathlib
import time

import pytest

from interop import cluster as development
from interop import jws, sandbox
from interop.relying_party import Jose, PyJwt

SECONDS = int(os.environ.get("ROTATION_SECONDS", "80"))
EVERY = int(os.environ.get("ROTATION_EVERY", "8"))
# Longer than jose's `cooldownDuration` of 30 s.
PUBLISHED_BEFORE_USE = 35
TOKEN_SECONDS = 60
# A control that is not refused within so long shows nothing.
CONTROL_SECONDS = 60


@pytest.fixture
def rotating():
    """Starts a cluster whose keys change every few seconds."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"

    def start(publish_before_use: int):
        return development.running(moneyer, {
            "MONEYER__KEYS__ROTATE_EVERY": f"{EVERY}s",
            "MONEYER__KEYS__PUBLISH_BEFORE_USE": f"{publish_before_use}s",
            "MONEYER__KEYS__MAX_AGE": "10s",
            "MONEYER__TOKENS__MINIMUM_LIFETIME": f"{TOKEN_SECONDS}s",
            "MONEYER__TOKENS__DEFAULT_LIFETIME": f"{TOKEN_SECONDS}s",
            "MONEYER__TOKENS__MAXIMUM_LIFETIME": f"{TOKEN_SECONDS}s",
        })

    return start


def observe(cluster, seconds: float):
    """Fresh tokens, each shown to every relying party: (kid, relying party, refusal or None)."""
    parties = [PyJwt(cluster.issuer), Jose(cluster.issuer)]
    deadline = time.monotonic() + seconds
    try:
        for number in itertools.count():
            if time.monotonic() > deadline:
                return
            # An audience nobody asked for before: nothing that is cached can answer.
            audience = f"https://rp-{number}.example"
            token = sandbox.token_from_socket(cluster, audience, TOKEN_SECONDS)
            kid = jws.header(token)["kid"]
            for party in parties:
                yield kid, party.name, party.refusal(token, audience)
            # As often as a busy relying party would see one, without signing for its own sake.
            time.sleep(0.05)
    finally:
        for party in parties:
            party.close()


def test_no_token_is_refused_while_keys_rotate(rotating):
    with rotating(PUBLISHED_BEFORE_USE) as cluster:
        seen = list(observe(cluster, SECONDS))
    refused = [entry for entry in seen if entry[2] is not None]
    assert refused == []
    kids = {kid for kid, _, _ in seen}
    assert len(kids) >= (SECONDS - PUBLISHED_BEFORE_USE) // EVERY, "keys did not rotate"


def test_without_publication_before_use_tokens_are_refused(rotating):
    with rotating(0) as cluster:
        refusals = (entry for entry in observe(cluster, CONTROL_SECONDS) if entry[2] is not None)
        first = next(refusals, None)
        refusals.close()
    assert first is not None, "the run above cannot fail"
    no_such_key = ("ERR_JWKS_NO_MATCHING_KEY", "Unable to find a signing key")
    assert any(reason in first[2] for reason in no_such_key), first
