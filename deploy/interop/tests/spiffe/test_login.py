"""Log-in with SVIDs at a live coordinator: clients that know nothing of Moneyer fetch an SVID from a sandbox's socket,
show it, and use the token at the management API and at a service of their own."""

import json
import os
import pathlib
from contextlib import ExitStack
from dataclasses import dataclass

import jwt
import pytest
import requests

from interop import authority, sandbox, workload
from interop import cluster as development
from interop.exchange import free_addresses

FOREIGN = development.FOREIGN_TRUST_DOMAIN
OWN = development.TRUST_DOMAIN
ID = f"spiffe://{{}}/app/{development.APP}/sandbox/{development.SANDBOX}"
SECONDS = 10


@dataclass(frozen=True)
class Site:
    """A coordinator that speaks https and lets workloads of both trust domains in."""

    cluster: development.Cluster
    exchange: str
    remote: str
    roots: str

    @property
    def audience(self) -> str:
        return f"{self.cluster.issuer}/v1/login/spiffe"

    def log_in(self, svid: str | None = None, certificate=None, **more) -> requests.Response:
        """What a log-in with a JWT-SVID or a certificate is answered."""
        body = {"jwt_svid": svid, **more} if svid is not None else None
        return requests.post(
            f"{self.exchange}/v1/login/spiffe", json=body, cert=certificate, verify=self.roots, timeout=SECONDS
        )

    def token(self, *shown, **more) -> str:
        answer = self.log_in(*shown, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def manage(self, token: str, method: str, path: str, body=None) -> requests.Response:
        return requests.request(
            method, f"{self.remote}/api/v1{path}", json=body, verify=self.roots, timeout=SECONDS,
            headers={"Authorization": f"Bearer {token}"},
        )


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The site, and a cluster of another trust domain that it federates with."""
    place = tmp_path_factory.mktemp("login")
    served = authority.make(place)
    # Its key is in it, and Moneyer takes none that others may read.
    served.server.chmod(0o600)
    public, exchange, remote, endpoint = free_addresses(4)
    settings = {
        "MONEYER__ISSUER__URL": f"https://{public}",
        "MONEYER__LISTEN__PUBLIC": public,
        "MONEYER__LISTEN__PUBLIC_TLS__CERTIFICATE": str(served.server),
        "MONEYER__LISTEN__PUBLIC_TLS__KEY": str(served.server),
        "MONEYER__LISTEN__EXCHANGE": exchange,
        "MONEYER__LISTEN__MANAGEMENT_REMOTE": remote,
        "MONEYER__FEDERATION__PRIVATE_ADDRESSES": "true",
        "MONEYER__LOGIN__TRUST_DOMAIN": f'[{{ name = "{OWN}" }}, {{ name = "{FOREIGN}" }}]',
        # `moneyer dev` reads its own documents, as a relying party.
        "SSL_CERT_FILE": str(served.authority),
    }
    program = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    with ExitStack() as running:
        foreign = running.enter_context(
            development.running(program, {"MONEYER__LISTEN__SPIFFE_BUNDLE": endpoint}, trust_domain=FOREIGN)
        )
        cluster = running.enter_context(development.running(program, settings))
        site = Site(cluster, f"https://{exchange}", f"https://{remote}", str(served.authority))
        for name, domain in [("own", OWN), ("foreign", FOREIGN)]:
            development.command(
                cluster, "policy", "put", name, "--match", f"spiffe://{domain}/app/*/sandbox/*",
                "--permit", "apps:read", "--permit", "apps:write",
            )
        bundle = place / "foreign.json"
        bundle.write_text(requests.get(f"{foreign.issuer}/.well-known/spiffe-bundle", timeout=SECONDS).text)
        development.command(
            cluster, "federation", "put", FOREIGN, "--url", f"https://{endpoint}/", "--profile", "https_spiffe",
            "--endpoint-id", f"spiffe://{FOREIGN}/moneyer/bundle", "--bootstrap", bundle,
        )
        yield site, foreign


@pytest.fixture(scope="module")
def site(both):
    return both[0]


@pytest.fixture(scope="module")
def client(site):
    with workload.client(sandbox.environment(site.cluster)) as made:
        yield made


@pytest.fixture(scope="module")
def foreign_client(both):
    with workload.client(sandbox.environment(both[1])) as made:
        yield made


@pytest.fixture(params=[OWN, FOREIGN])
def caller(request, client, foreign_client):
    """A sandbox's client, and its trust domain."""
    return {OWN: client, FOREIGN: foreign_client}[request.param], request.param


def test_a_jwt_svid_is_good_for_a_token(site, caller):
    workload_api, domain = caller
    answer = site.log_in(workload_api.fetch_jwt_svid({site.audience}).token, lifetime=300)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["spiffe_id"], told["expires_in"], told["token_type"]) == (ID.format(domain), 300, "Bearer")
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_x509_svid_is_good_for_a_token(site, caller, tmp_path):
    workload_api, domain = caller
    certificate = workload.save(workload_api.fetch_x509_context(), tmp_path, "svid")
    answer = site.log_in(certificate=certificate)
    assert answer.status_code == 200, answer.text
    assert answer.json()["spiffe_id"] == ID.format(domain)


def test_a_token_is_good_for_what_its_policy_permits(site, foreign_client):
    token = site.token(foreign_client.fetch_jwt_svid({site.audience}).token)
    assert site.manage(token, "PUT", "/apps/made-outside", {}).status_code == 200
    assert "made-outside" in {app["name"] for app in site.manage(token, "GET", "/apps").json()}
    assert site.manage(token, "GET", "/keys").status_code == 403
    assert site.manage("x", "GET", "/apps").status_code == 401
    records = json.loads(development.command(
        site.cluster, "audit", "query", "--event", "app_put", "--app", "made-outside", "--output", "json"
    ))
    assert [record["who"] for record in records] == [f"workload:{ID.format(FOREIGN)}"]


def test_a_token_verifies_by_discovery_in_a_service_of_ones_own(site, client):
    token = site.token(client.fetch_jwt_svid({site.audience}).token)
    issuer = site.cluster.issuer
    metadata = requests.get(
        f"{issuer}/.well-known/openid-configuration", verify=site.roots, timeout=SECONDS
    ).json()
    keys = jwt.PyJWKSet.from_dict(
        requests.get(metadata["jwks_uri"], verify=site.roots, timeout=SECONDS).json()
    )
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=issuer, issuer=issuer)
    assert (claims["identity_type"], claims["policies"]) == ("workload", ["own"])
    assert claims["spiffe_id"] == ID.format(OWN)


def test_whoever_is_not_let_in_hears_one_thing(site, client, foreign_client):
    other_audience = client.fetch_jwt_svid({"https://another.example"}).token
    good = foreign_client.fetch_jwt_svid({site.audience}).token
    told = set()
    for shown in [None, "", "x", other_audience, good[:-8] + "AAAAAAAA", site.token(good)]:
        answer = site.log_in(shown)
        assert answer.status_code == 401, (shown, answer.text)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        told.add(json.dumps({name: value for name, value in answer.json().items() if name != "request_id"}))
    assert len(told) == 1, told


def test_a_policy_that_is_gone_ends_its_tokens(site, client):
    token = site.token(client.fetch_jwt_svid({site.audience}).token)
    assert site.manage(token, "GET", "/apps").status_code == 200
    development.command(
        site.cluster, "policy", "put", "closed", "--match", f"spiffe://{OWN}/app/*/sandbox/*", "--deny"
    )
    assert site.manage(token, "GET", "/apps").status_code == 403
    assert site.log_in(client.fetch_jwt_svid({site.audience}).token).status_code == 401
    development.command(site.cluster, "policy", "remove", "closed")
    assert site.manage(token, "GET", "/apps").status_code == 200
