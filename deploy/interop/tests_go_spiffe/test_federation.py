"""go-spiffe as the other side of a federation: it fetches our bundle and serves its own, by either profile."""

import json
import ssl
import urllib.request
from contextlib import contextmanager

import pytest

from interop import cluster as development
from interop import go_spiffe, sandbox

DOMAIN = development.TRUST_DOMAIN
ENDPOINT_ID = f"spiffe://{DOMAIN}/moneyer/bundle"
AUDIENCE = "https://ledger.example"
PEER = "peer.example"
# What is no workload has no socket.
NOBODY = {}


@pytest.fixture(scope="module")
def bundle(cluster, served):
    """The document as anybody gets it."""
    trusting = ssl.create_default_context(cafile=str(served.authority))
    with urllib.request.urlopen(web_url(cluster), context=trusting) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def handed_over(bundle, tmp_path_factory):
    saved = tmp_path_factory.mktemp("bundles") / "ours.json"
    saved.write_text(json.dumps(bundle))
    return saved


def web_url(cluster) -> str:
    return f"{cluster.issuer}/.well-known/spiffe-bundle"


def members(document: dict) -> set:
    return {(key["use"], key.get("kid"), *key.get("x5c", [])) for key in document["keys"]}


def same(fetched: dict, served_by_us: dict) -> bool:
    told = ("spiffe_sequence", "spiffe_refresh_hint")
    return members(fetched) == members(served_by_us) and all(fetched[it] == served_by_us[it] for it in told)


def test_it_fetches_our_bundle_by_https_web(cluster, served, bundle):
    fetched = go_spiffe.ask(NOBODY, "fetch", DOMAIN, web_url(cluster), "web", served.authority)
    assert same(fetched, bundle)


def test_it_fetches_our_bundle_by_https_spiffe(endpoint, handed_over, bundle):
    fetched = go_spiffe.ask(NOBODY, "fetch", DOMAIN, f"https://{endpoint}/", "spiffe", ENDPOINT_ID, handed_over)
    assert same(fetched, bundle)


def test_it_refuses_one_profile_for_the_other(cluster, served, endpoint, handed_over):
    with pytest.raises(go_spiffe.Refused, match="certificate"):
        go_spiffe.ask(NOBODY, "fetch", DOMAIN, f"https://{endpoint}/", "web", served.authority)
    with pytest.raises(go_spiffe.Refused, match="no URI SAN|certificate contains no URI"):
        go_spiffe.ask(NOBODY, "fetch", DOMAIN, web_url(cluster), "spiffe", ENDPOINT_ID, handed_over)


def test_it_refuses_another_id_at_our_endpoint(endpoint, handed_over):
    another = f"spiffe://{DOMAIN}/moneyer/another"
    with pytest.raises(go_spiffe.Refused, match="unexpected ID"):
        go_spiffe.ask(NOBODY, "fetch", DOMAIN, f"https://{endpoint}/", "spiffe", another, handed_over)


@contextmanager
def federated(cluster, served, tmp_path, profile: str):
    """We trust a domain whose bundle go-spiffe serves."""
    certificate = (served.server,) if profile == "web" else ()
    with go_spiffe.running(NOBODY, "foreign", PEER, AUDIENCE, profile, *certificate) as peer:
        first = peer.next()
        if profile == "web":
            proof = ("--ca", served.authority)
        else:
            (tmp_path / "peer.json").write_text(json.dumps(first["document"]))
            proof = ("--endpoint-id", f"spiffe://{PEER}/endpoint", "--bootstrap", tmp_path / "peer.json")
        said = development.command(
            cluster, "federation", "put", PEER, "--url", f"https://{first['address']}/",
            "--profile", f"https_{profile}", *proof,
        )
        assert said == f"the bundle of {PEER} is in force (CA certificates 1, keys of JWT-SVIDs 1)\n"
        try:
            yield peer, first["token"]
        finally:
            development.command(cluster, "federation", "remove", PEER)


@pytest.mark.parametrize("profile", ["web", "spiffe"])
def test_what_it_signs_is_good_here_before_and_after_it_changes_everything(cluster, served, tmp_path, profile):
    workload = sandbox.environment(cluster)
    id_of = {"id": f"spiffe://{PEER}/workload"}
    with federated(cluster, served, tmp_path, profile) as (peer, token):
        with go_spiffe.running(workload, "contexts") as told:
            told.wait_for(lambda said: said["domains"].get(PEER) == 1)
            assert go_spiffe.ask(workload, "validate", AUDIENCE, token) == id_of
            # It signs at once with what nobody was told of yet.
            peer.go_on()
            changed = peer.next()["token"]
            with pytest.raises(go_spiffe.Refused, match="InvalidArgument"):
                go_spiffe.ask(workload, "validate", AUDIENCE, changed)
            told.wait_for(lambda said: said["domains"].get(PEER) == 2)
            assert go_spiffe.ask(workload, "validate", AUDIENCE, changed) == id_of
    with pytest.raises(go_spiffe.Refused, match="InvalidArgument"):
        go_spiffe.ask(workload, "validate", AUDIENCE, token)
