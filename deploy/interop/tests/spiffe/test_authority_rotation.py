"""The authority of X.509-SVIDs changes every 30 seconds while two services talk all the time, each with what its
Workload API told it last. A third keeps its first bundle and is the control: it must come to grief.

`SVID_ROTATION_SECONDS` sets how long (default 80; the long run takes five minutes).
"""

import os
import pathlib
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from interop import cluster as development
from interop import mtls, sandbox, workload

SECONDS = int(os.environ.get("SVID_ROTATION_SECONDS", "80"))
EVERY = 30
PUBLISHED_BEFORE_USE = 10
# The shortest that there is: runners renew at half of it.
SVID_SECONDS = 60
# As often as busy services would connect, without handshakes for their own sake.
PAUSE_SECONDS = 0.05
DOMAIN = development.TRUST_DOMAIN


@dataclass
class Seen:
    """What came of the calls."""

    handshakes: int = 0
    failures: list[str] = field(default_factory=list)
    of_the_control: Counter = field(default_factory=Counter)
    # Who signed the SVIDs that the services held.
    authorities: set[str] = field(default_factory=set)


class Service:
    """Holds what it was told last; with `first_bundle_only`, trusts whom it was told to trust at first."""

    def __init__(self, told: workload.Told, first_bundle_only: bool = False):
        self._told, self._of, self._tls = told, None, {}
        first = told.wait_for(lambda _: True)
        self._roots = workload.authorities(first, DOMAIN) if first_bundle_only else None

    def tls(self, side: int) -> ssl.SSLContext:
        held = self._told.last
        if held is not self._of:
            self._of, self._tls = held, {}
        if side not in self._tls:
            roots = self._roots or workload.authorities(held, DOMAIN)
            self._tls[side] = mtls.context(side, held, roots)
        return self._tls[side]

    def call(self, server: mtls.Server) -> None:
        mtls.call(server.port, self.tls(ssl.PROTOCOL_TLS_CLIENT), DOMAIN)

    def server(self) -> mtls.Server:
        return mtls.Server(lambda: self.tls(ssl.PROTOCOL_TLS_SERVER), DOMAIN)

    @property
    def authority(self) -> str:
        return self._told.last.default_svid.leaf.issuer.rfc4514_string()


@pytest.fixture(scope="module")
def rotating():
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    with development.running(moneyer, {
        "MONEYER__SPIFFE__CA_ROTATE_EVERY": f"{EVERY}s",
        "MONEYER__SPIFFE__CA_PUBLISH_BEFORE_USE": f"{PUBLISHED_BEFORE_USE}s",
        "MONEYER__SPIFFE__X509_SVID_LIFETIME": f"{SVID_SECONDS}s",
    }) as started:
        development.attach(started, "demo-2")
        yield started


@pytest.fixture(scope="module")
def seen(rotating):
    with (
        workload.client(sandbox.environment(rotating)) as one,
        workload.client(sandbox.environment(rotating, "demo-2")) as two,
        workload.watching(one.stream_x509_contexts) as told_one,
        workload.watching(two.stream_x509_contexts) as told_two,
    ):
        services = [Service(told_one), Service(told_two)]
        control = Service(told_two, first_bundle_only=True)
        with services[0].server() as first, services[1].server() as second:
            found = talk(services, control, [first, second])
        assert told_one.ended is None and told_two.ended is None, "a stream broke"
    return found


def talk(services: list[Service], control: Service, servers: list[mtls.Server]) -> Seen:
    found = Seen()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for service, server in zip(services, reversed(servers)):
            found.authorities.add(service.authority)
            try:
                service.call(server)
                found.handshakes += 1
            except (OSError, mtls.Refused) as error:
                found.failures.append(f"{error} / {server.refused[-1:]}")
        try:
            control.call(servers[0])
            found.of_the_control["accepted"] += 1
        except ssl.SSLCertVerificationError:
            found.of_the_control["refused"] += 1
        time.sleep(PAUSE_SECONDS)
    return found


def test_b10_no_handshake_fails_while_authorities_change(seen):
    assert seen.failures == []
    assert seen.handshakes > 2 * SECONDS, "they hardly talked"
    # Where one signs when the run begins, the next does within a round; renewal at half life tells of it.
    assert len(seen.authorities) >= (SECONDS - SVID_SECONDS // 2) // EVERY + 1, "authorities did not change"


def test_b10_who_keeps_its_first_bundle_is_cut_off(seen):
    assert seen.of_the_control["accepted"] > 0
    assert seen.of_the_control["refused"] > 0, "the test above cannot fail"
