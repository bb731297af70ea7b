"""The coordinator stands still. What a workload has of the Workload API, it keeps: a cached JWT-SVID at once, its
X.509-SVID, its streams."""

import os
import pathlib
import signal
import time
from contextlib import contextmanager

import pytest
from spiffe.workloadapi.errors import FetchJwtSvidError

from interop import cluster as development
from interop import sandbox, workload

AUDIENCE = "https://ledger.example"
# The runner asks every 10 s whether the coordinator is there, and waits 5 s for the answer.
AWAY_SECONDS = 18
# What a cached JWT-SVID takes where nothing else is in the way, and what it takes at most: far less than a wait.
CACHED_SECONDS = 0.005
AT_MOST_SECONDS = 1
# A call to a coordinator that is away is given up after 5 s.
GIVEN_UP_SECONDS = 8
BACK_SECONDS = 60


@pytest.fixture(scope="module")
def cluster():
    """One of its own: others' tokens would wait as well."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    with development.running(moneyer) as started:
        yield started


@contextmanager
def standing_still(cluster):
    os.kill(cluster.coordinator, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(cluster.coordinator, signal.SIGCONT)


def test_w8_a_workload_outlasts_its_coordinator(cluster, client):
    cached = client.fetch_jwt_svid({AUDIENCE}).token
    with workload.watching(client.stream_x509_contexts) as told:
        held = told.wait_for(lambda _: True).default_svid.leaf
        with standing_still(cluster):
            took = list(ask_again(client, cached))
            assert client.fetch_x509_svid().leaf == held
            assert client.validate_jwt_svid(cached, AUDIENCE).token == cached
            with pytest.raises(FetchJwtSvidError, match="UNAVAILABLE"):
                client.fetch_jwt_svid({"https://another.example"}, timeout=GIVEN_UP_SECONDS)
        assert min(took) < CACHED_SECONDS
        assert max(took) < AT_MOST_SECONDS
        wait_until_it_is_back(client)
        assert told.ended is None, "the stream broke"
        assert told.count == 1


def ask_again(client, cached: str):
    """How long the cached JWT-SVID takes, again and again."""
    end = time.monotonic() + AWAY_SECONDS
    while (begun := time.monotonic()) < end:
        assert client.fetch_jwt_svid({AUDIENCE}).token == cached
        yield time.monotonic() - begun
        time.sleep(0.1)


def wait_until_it_is_back(client) -> None:
    end = time.monotonic() + BACK_SECONDS
    while True:
        try:
            client.fetch_jwt_svid({"https://another.example"})
            return
        except FetchJwtSvidError:
            assert time.monotonic() < end, "no JWT-SVID after the coordinator is back"
