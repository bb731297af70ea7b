"""Two clusters federate, each by another profile, while both change their authorities and their keys every few seconds.
All the time their sandboxes talk mTLS both ways and check each other's JWT-SVIDs, with what their Workload API told
them last. One that keeps the first foreign bundle is the control, and so is the end of a federation: both must come to
grief.

`FEDERATION_SECONDS` sets how long (default 60; the long run takes five minutes).
"""

import itertools
import os
import pathlib
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest
from spiffe import JwtSvid, TrustDomain
from spiffe.svid.errors import JwtSvidError
from spiffe.workloadapi.errors import ValidateJwtSvidError

from interop import authority, jws, mtls, sandbox, workload
from interop import cluster as development

SECONDS = int(os.environ.get("FEDERATION_SECONDS", "60"))
EVERY = 15
# A bundle is asked for every five seconds, the shortest that there is: twice before anything in it signs.
PUBLISHED_BEFORE_USE = 12
# The shortest that there is: runners renew at half of it.
SVID_SECONDS = 60
TOKEN_SECONDS = 60
PAUSE_SECONDS = 0.05
# Handshakes to one round of JWT-SVIDs, each of which is signed anew.
HANDSHAKES = 10
# What is told on a stream is there at once; a machine that is busy takes longer.
TOLD_SECONDS = 10
# Runners are told at once; the command has returned before.
WITHDRAWN_SECONDS = 2
WEB, SPIFFE = "web.example", "spiffe.example"


@dataclass
class Seen:
    """What came of the calls, and whom of the other side a sandbox was told to trust."""

    handshakes: Counter = field(default_factory=Counter)
    tokens: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    of_the_control: Counter = field(default_factory=Counter)
    # By the trust domain they are of.
    authorities: dict[str, set] = field(default_factory=lambda: {WEB: set(), SPIFFE: set()})
    signers: dict[str, set] = field(default_factory=lambda: {WEB: set(), SPIFFE: set()})
    keys: dict[str, set] = field(default_factory=lambda: {WEB: set(), SPIFFE: set()})


class Service:
    """A workload that talks to those of the other trust domain, by the newest bundle of it."""

    def __init__(self, own: str, other: str, client, told: workload.Told, told_keys: workload.Told):
        self.own, self.other, self.client = own, other, client
        self._told, self._told_keys = told, told_keys
        self._of, self._tls = None, {}

    @property
    def held(self):
        return self._told.last

    def tls(self, side: int) -> ssl.SSLContext:
        held = self.held
        if held is not self._of:
            self._of, self._tls = held, {}
        if side not in self._tls:
            self._tls[side] = mtls.context(side, held, workload.authorities(held, self.other))
        return self._tls[side]

    def server(self) -> mtls.Server:
        return mtls.Server(lambda: self.tls(ssl.PROTOCOL_TLS_SERVER), self.other)

    def call(self, server: mtls.Server) -> str:
        return mtls.call(server.port, self.tls(ssl.PROTOCOL_TLS_CLIENT), self.other)

    def accepts(self, token: str, audience: str) -> None:
        """By its runner, and by the package itself."""
        self.client.validate_jwt_svid(token, audience)
        bundle = self._told_keys.last.get_bundle_for_trust_domain(TrustDomain(self.other))
        JwtSvid.parse_and_validate(token, bundle, {audience})

    def wait_until_it_trusts(self) -> None:
        for told in (self._told, self._told_keys):
            told.wait_for(lambda it: self.other in domains(it), TOLD_SECONDS)

    def wait_until_it_does_not(self) -> None:
        for told in (self._told, self._told_keys):
            told.wait_for(lambda it: self.other not in domains(it), WITHDRAWN_SECONDS)

    @property
    def unbroken(self) -> bool:
        return self._told.ended is None and self._told_keys.ended is None


def domains(told) -> set[str]:
    """Whom a context, or a set of bundles, knows."""
    bundles = getattr(told, "x509_bundle_set", told)
    return {bundle.trust_domain.name for bundle in bundles.bundles}


def settings(**more: object) -> dict[str, str]:
    return {
        "MONEYER__SPIFFE__CA_ROTATE_EVERY": f"{EVERY}s",
        "MONEYER__SPIFFE__CA_PUBLISH_BEFORE_USE": f"{PUBLISHED_BEFORE_USE}s",
        "MONEYER__SPIFFE__X509_SVID_LIFETIME": f"{SVID_SECONDS}s",
        "MONEYER__KEYS__ROTATE_EVERY": f"{EVERY}s",
        "MONEYER__KEYS__PUBLISH_BEFORE_USE": f"{PUBLISHED_BEFORE_USE}s",
        "MONEYER__KEYS__MAX_AGE": "5s",
        "MONEYER__TOKENS__MINIMUM_LIFETIME": f"{TOKEN_SECONDS}s",
        "MONEYER__TOKENS__DEFAULT_LIFETIME": f"{TOKEN_SECONDS}s",
        "MONEYER__TOKENS__MAXIMUM_LIFETIME": f"{TOKEN_SECONDS}s",
        "MONEYER__FEDERATION__PRIVATE_ADDRESSES": "true",
    } | {name: str(value) for name, value in more.items()}


def free_address() -> str:
    with socket.create_server((authority.ADDRESS, 0)) as found:
        return f"{authority.ADDRESS}:{found.getsockname()[1]}"


@contextmanager
def serving_the_web(served: authority.Served):
    """A cluster whose bundle others get by `https_web`."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    listen = free_address()
    with development.running(moneyer, settings(
        MONEYER__ISSUER__URL=f"https://{listen}",
        MONEYER__LISTEN__PUBLIC=listen,
        MONEYER__LISTEN__PUBLIC_TLS__CERTIFICATE=served.server,
        MONEYER__LISTEN__PUBLIC_TLS__KEY=served.server,
        # The other one has the default, RS256.
        MONEYER__KEYS__ALGORITHM="ES256",
        # `moneyer dev` reads its own documents, as a relying party.
        SSL_CERT_FILE=served.authority,
    ), trust_domain=WEB) as started:
        yield started, f"https://{listen}/.well-known/spiffe-bundle"


@contextmanager
def serving_spiffe():
    """A cluster whose bundle others get by `https_spiffe`."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    listen = free_address()
    with development.running(
        moneyer, settings(MONEYER__LISTEN__SPIFFE_BUNDLE=listen), trust_domain=SPIFFE
    ) as started:
        yield started, f"https://{listen}/"


@pytest.fixture(scope="module")
def federated(tmp_path_factory):
    """Both clusters, each of which trusts the other by that one's profile."""
    place = tmp_path_factory.mktemp("federation")
    served = authority.make(place)
    # Its key is in it, and Moneyer takes none that others may read.
    served.server.chmod(0o600)
    with serving_the_web(served) as (web, web_url), serving_spiffe() as (spiffe, spiffe_url):
        said = development.command(
            spiffe, "federation", "put", WEB, "--url", web_url, "--profile", "https_web", "--ca", served.authority
        )
        assert said.startswith(f"the bundle of {WEB} is in force"), said
        said = development.command(
            web, "federation", "put", SPIFFE, "--url", spiffe_url, "--profile", "https_spiffe",
            "--endpoint-id", f"spiffe://{SPIFFE}/moneyer/bundle", "--bootstrap", handed_over(spiffe, place),
        )
        assert said.startswith(f"the bundle of {SPIFFE} is in force"), said
        yield {WEB: web, SPIFFE: spiffe}


def handed_over(cluster: development.Cluster, place: pathlib.Path) -> pathlib.Path:
    """The first bundle, on a way of its own."""
    saved = place / "bootstrap.json"
    saved.write_bytes(workload.published_bundle(cluster.issuer))
    return saved


@pytest.fixture(scope="module")
def services(federated):
    """A sandbox of each, which knows the other."""
    with ExitStack() as stack:
        made = []
        for own, other in ((WEB, SPIFFE), (SPIFFE, WEB)):
            client = stack.enter_context(workload.client(sandbox.environment(federated[own])))
            told = stack.enter_context(workload.watching(client.stream_x509_contexts))
            told_keys = stack.enter_context(workload.watching(client.stream_jwt_bundles))
            service = Service(own, other, client, told, told_keys)
            service.wait_until_it_trusts()
            made.append(service)
        yield made


@pytest.fixture(scope="module")
def seen(services):
    found = Seen()
    with services[0].server() as first, services[1].server() as second:
        # What it trusts is what was told at first; who it is, it renews as the others do.
        roots = workload.authorities(services[0].held, services[0].other)
        end = time.monotonic() + SECONDS
        for number in itertools.count():
            if time.monotonic() > end:
                break
            for service, server in zip(services, (second, first)):
                note(service, found)
                tried(found, found.handshakes, service, lambda: service.call(server), server)
            if number % HANDSHAKES == 0:
                for one, other in itertools.permutations(services):
                    tried(found, found.tokens, one, lambda: show_token(one, other, number, found))
            control(services[0], roots, second, found)
            time.sleep(PAUSE_SECONDS)
    assert all(service.unbroken for service in services), "a stream broke"
    return found


def tried(found: Seen, good: Counter, service: Service, act: Callable, server=None) -> None:
    try:
        act()
        good[service.own] += 1
    except (OSError, mtls.Refused, ValidateJwtSvidError, JwtSvidError) as error:
        found.failures.append(f"{service.own}: {error!r} / {server.refused[-1:] if server else ''}")


def show_token(service: Service, verifier: Service, number: int, found: Seen) -> None:
    # An audience nobody asked for before: nothing that is cached can answer.
    audience = f"https://{verifier.own}/{number}"
    token = service.client.fetch_jwt_svid({audience}).token
    found.keys[service.own].add(jws.header(token)["kid"])
    verifier.accepts(token, audience)


def note(service: Service, found: Seen) -> None:
    found.signers[service.own].add(service.held.default_svid.leaf.issuer.rfc4514_string())
    bundle = service.held.x509_bundle_set.get_bundle_for_trust_domain(TrustDomain(service.other))
    found.authorities[service.other] |= {one.subject.rfc4514_string() for one in bundle.x509_authorities}


def control(service: Service, roots: str, server: mtls.Server, found: Seen) -> None:
    try:
        mtls.call(server.port, mtls.context(ssl.PROTOCOL_TLS_CLIENT, service.held, roots), service.other)
        found.of_the_control["accepted"] += 1
    except ssl.SSLCertVerificationError:
        found.of_the_control["refused"] += 1


@pytest.mark.parametrize("domain", [WEB, SPIFFE])
def test_f1_nothing_fails_between_two_domains_while_both_rotate(seen, domain):
    assert seen.failures == []
    assert seen.handshakes[domain] > SECONDS, "they hardly talked"
    assert seen.tokens[domain] > SECONDS // HANDSHAKES, "they hardly showed tokens"


@pytest.mark.parametrize("domain", [WEB, SPIFFE])
def test_b10_what_the_other_domain_signs_with_was_told_of_before(seen, domain):
    # A round takes a little longer than it is set to, and more on a busy machine.
    rounds = SECONDS * 3 // 4 // EVERY
    assert len(seen.authorities[domain]) > rounds, "authorities did not change"
    assert len(seen.keys[domain]) >= rounds, "keys did not change"
    assert len(seen.signers[domain]) > SECONDS // SVID_SECONDS, "SVIDs were not renewed"
    assert seen.signers[domain] <= seen.authorities[domain]


def test_b10_who_keeps_the_first_foreign_bundle_is_cut_off(seen):
    assert seen.of_the_control["accepted"] > 0
    assert seen.of_the_control["refused"] > 0, "the tests above cannot fail"


def test_f9_the_end_of_a_federation_is_felt_at_once_and_one_way(seen, services, federated):
    web, spiffe = services
    audience = "https://after.example"
    token = web.client.fetch_jwt_svid({audience}).token
    spiffe.accepts(token, audience)
    development.command(federated[SPIFFE], "federation", "remove", WEB)
    spiffe.wait_until_it_does_not()
    with pytest.raises(ValidateJwtSvidError, match="INVALID_ARGUMENT"):
        spiffe.client.validate_jwt_svid(token, audience)
    # All that it is told to trust is not enough; it is still trusted itself.
    trusted = "".join(workload.authorities(spiffe.held, domain) for domain in domains(spiffe.held))
    served = mtls.context(ssl.PROTOCOL_TLS_SERVER, spiffe.held, trusted)
    with mtls.Server(lambda: served, WEB) as server:
        with pytest.raises((OSError, mtls.Refused)):
            web.call(server)
    (refused,) = server.refused
    assert isinstance(refused, ssl.SSLCertVerificationError)
    own = spiffe.client.fetch_jwt_svid({audience}).token
    web.accepts(own, audience)
