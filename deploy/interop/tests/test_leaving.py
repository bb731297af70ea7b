"""The end of a coordinator, as a load balancer sees it: not ready first, and closed only after that."""

import signal
import time

import requests

from interop import exchange

LEAVE_SECONDS = 4
SETTINGS = {"MONEYER__LISTEN__LEAVE_AFTER": f"{LEAVE_SECONDS}s"}
# Far longer than it takes, and shorter than the wait.
NOTICED_SECONDS = 2


def look(url: str) -> int | None:
    """The status, or `None` where nobody listens any more."""
    try:
        return requests.get(url, timeout=exchange.ANSWER_SECONDS).status_code
    except requests.ConnectionError:
        return None


def wait_until_not_ready(coordinator) -> None:
    deadline = time.monotonic() + NOTICED_SECONDS
    while (status := look(f"{coordinator.operations}/readyz")) != 503:
        assert status == 200, "it was closed before it was not ready"
        assert time.monotonic() < deadline, "the signal changed nothing"


def test_readiness_is_off_before_anything_is_closed():
    with exchange.coordinator(SETTINGS) as coordinator:
        token = coordinator.api_server.token("system:serviceaccount:ns1:sa1")
        coordinator.process.send_signal(signal.SIGTERM)
        since = time.monotonic()
        wait_until_not_ready(coordinator)
        health = requests.get(f"{coordinator.operations}/readyz", timeout=exchange.ANSWER_SECONDS).json()
        assert (health["ready"], health["state"]) == (False, "leaving")
        assert look(f"{coordinator.issuer}/.well-known/jwks.json") == 200
        assert look(f"{coordinator.operations}/livez") == 200
        assert coordinator.token(token, {}).json()["error"] == "unauthorized_client"
        assert coordinator.process.wait(exchange.STOP_SECONDS) == 0
        assert time.monotonic() - since >= LEAVE_SECONDS
        assert look(f"{coordinator.issuer}/.well-known/jwks.json") is None


def test_another_signal_cuts_the_wait_short():
    with exchange.coordinator({"MONEYER__LISTEN__LEAVE_AFTER": "5m"}) as coordinator:
        coordinator.process.send_signal(signal.SIGTERM)
        wait_until_not_ready(coordinator)
        coordinator.process.send_signal(signal.SIGTERM)
        assert coordinator.process.wait(exchange.STOP_SECONDS) == 0
