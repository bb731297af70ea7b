"""Service account tokens of a real API server, exchanged: verified with its key set, reviewed by it, or both.

It is 1.20: it names a pod in its answer, and neither the node nor the token. Our own token is that of a service account
which is bound to `system:auth-delegator` and to nothing else.
"""

import contextlib
import itertools
import json
import os
import pathlib
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

import pytest

from interop import authority, jws, kubernetes
from interop import cluster as development

MODES = ["jwks", "tokenreview", "both"]
REVIEWED = ["tokenreview", "both"]
AUDIENCE, CONTEXT = "moneyer", "pc1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS = "/api/v1/namespaces/default/pods"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ANSWER_SECONDS = 30
# It says yes for so long to a token it has seen, whatever became of what it is bound to.
CACHE_SECONDS = 10
MOMENT = 5
# Told within this, whatever is away.
TOLD_SECONDS = 2
_lifetimes = itertools.count(600)


@dataclass(frozen=True)
class Scene:
    """An API server, and a coordinator that takes tokens of its service accounts."""

    server: kubernetes.ApiServer
    cluster: development.Cluster
    exchange: str

    def token(self, account: str, pod: dict | None = None) -> str:
        return requested(self.server, account, AUDIENCE, pod)

    def status(self, token: str) -> int:
        return self.ask(token)[0]

    def ask(self, token: str) -> tuple[int, dict]:
        form = urllib.parse.urlencode({
            "grant_type": GRANT, "subject_token": token, "subject_token_type": JWT, "resource": CONTEXT,
        })
        request = urllib.request.Request(self.exchange, data=form.encode())
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def ready(self) -> dict:
        """What `/readyz` says of each dependency."""
        with urllib.request.urlopen(f"{self.cluster.operations}/readyz", timeout=ANSWER_SECONDS) as answer:
            return {check["name"]: check for check in json.load(answer)["checks"]}


def made(server: kubernetes.ApiServer, path: str, what: dict) -> dict:
    status, answer = server.ask(server.administrator, path, json.dumps(what))
    assert status == 201, answer
    return answer


def account(server: kubernetes.ApiServer, name: str) -> dict:
    return made(server, ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})


def pod(server: kubernetes.ApiServer, name: str, of: str) -> dict:
    containers = [{"name": "main", "image": "none.example/none"}]
    return made(server, PODS, {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"serviceAccountName": of, "containers": containers},
    })


def removed(server: kubernetes.ApiServer, path: str) -> None:
    status, answer = server.ask(server.administrator, f"{path}?gracePeriodSeconds=0", method="DELETE")
    assert status == 200, answer


def requested(server: kubernetes.ApiServer, name: str, audience: str, bound: dict | None = None) -> str:
    """A token, as a kubelet asks for one. It has no id, so that two of one second are the same unless they end apart."""
    spec = {"audiences": [audience], "expirationSeconds": next(_lifetimes)}
    if bound:
        spec["boundObjectRef"] = {
            "kind": "Pod", "apiVersion": "v1", "name": bound["metadata"]["name"], "uid": bound["metadata"]["uid"],
        }
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return made(server, f"{ACCOUNTS}/{name}/token", asked)["status"]["token"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made_here = authority.make(tmp_path_factory.mktemp("authority"))
    made_here.server.chmod(0o600)
    return made_here


@contextlib.contextmanager
def api_server(served):
    program = pathlib.Path(os.environ["MONEYER_KUBE_APISERVER"])
    with kubernetes.running(program, served, []) as server:
        account(server, "moneyer")
        made(server, BINDINGS, {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "moneyer"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "moneyer", "namespace": "default"}],
        })
        yield server


@contextlib.contextmanager
def coordinator(server: kubernetes.ApiServer, place: pathlib.Path, verify: str, remembered: str = "0s"):
    """Every question is asked, unless it is said how long an answer is remembered."""
    own = place / "own-token"
    own.write_text(requested(server, "moneyer", server.url))
    with socket.create_server(("127.0.0.1", 0)) as found:
        listen = f"127.0.0.1:{found.getsockname()[1]}"
    here = {
        "name": "prod", "plain_clients": True, "verify": verify, "issuer": server.url, "audiences": [AUDIENCE],
        "api_server": server.url, "ca_file": str(server.authority), "bearer_file": str(own),
    }
    # What JSON writes for a value TOML reads.
    table = ", ".join(f"{name} = {json.dumps(value)}" for name, value in here.items())
    settings = {
        "MONEYER__EXCHANGE__CLUSTER": f"[{{ {table} }}]",
        "MONEYER__LISTEN__EXCHANGE": listen,
        "MONEYER__EXCHANGE__REVIEW_REMEMBERED": remembered,
        "MONEYER__EXCHANGE__REFUSAL_REMEMBERED": "0s",
    }
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    with development.running(moneyer, settings) as cluster:
        development.command(cluster, "mapping", "put", "system:serviceaccount:default:*", CONTEXT)
        yield Scene(server, cluster, f"http://{listen}/token")


@pytest.fixture(scope="module")
def server(served):
    with api_server(served) as started:
        yield started


@pytest.fixture(scope="module", params=MODES)
def scene(request, server, tmp_path_factory):
    with coordinator(server, tmp_path_factory.mktemp(request.param), request.param) as started:
        yield started


def eventually(holds, seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)


def mode(scene: Scene, request) -> str:
    return request.node.callspec.params["scene"]


def test_a_token_of_a_pod_is_exchanged(scene, server, request):
    name = f"exchanged-{mode(scene, request)}"
    uid = account(server, name)["metadata"]["uid"]
    place = pod(server, name, name)
    status, answer = scene.ask(scene.token(name, place))
    assert status == 200, answer
    claims = jws.claims(answer["access_token"])
    user = f"system:serviceaccount:default:{name}"
    assert claims["act"] == {"sub": user, "iss": server.url, "k8s_uid": uid}
    assert claims["kubernetes.io"] == {
        "namespace": "default", "serviceaccount": {"name": name, "uid": uid},
        "pod": {"name": name, "uid": place["metadata"]["uid"]},
    }
    assert claims["sub"] == CONTEXT
    assert claims["exp"] <= jws.claims(scene.token(name))["exp"]
    assert scene.status(requested(server, name, "another")) == 400


def test_a_pod_that_is_deleted(scene, server, request):
    """Offline nobody notices; its API server does, once it forgets that it said yes."""
    name = f"pod-{mode(scene, request)}"
    account(server, name)
    token = scene.token(name, pod(server, name, name))
    assert scene.status(token) == 200
    removed(server, f"{PODS}/{name}")
    if mode(scene, request) == "jwks":
        assert scene.status(token) == 200
    else:
        eventually(lambda: scene.status(token) == 400, CACHE_SECONDS + MOMENT, "it is exchanged for ever")


def test_a_service_account_that_is_deleted(scene, server, request):
    name = f"account-{mode(scene, request)}"
    account(server, name)
    seen, unseen = scene.token(name), scene.token(name)
    assert scene.status(seen) == 200
    removed(server, f"{ACCOUNTS}/{name}")
    if mode(scene, request) == "jwks":
        assert scene.status(seen) == 200
    else:
        assert scene.status(unseen) == 400, "at once, where it was not asked about before"
        eventually(lambda: scene.status(seen) == 400, CACHE_SECONDS + MOMENT, "it is exchanged for ever")


def test_one_that_is_made_anew_is_another(scene, server, request):
    name = f"anew-{mode(scene, request)}"
    account(server, name)
    before = scene.token(name)
    removed(server, f"{ACCOUNTS}/{name}")
    account(server, name)
    after = scene.token(name)
    assert scene.status(after) == 200
    assert scene.status(before) == (200 if mode(scene, request) == "jwks" else 400)


@pytest.mark.parametrize("verify", MODES)
def test_without_its_api_server(served, tmp_path, verify):
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(api_server(served))
        scene = stack.enter_context(coordinator(here, tmp_path, verify, remembered="60s"))
        account(here, "build")
        known, unknown = scene.token("build"), scene.token("build")
        assert scene.status(known) == 200
        if verify != "jwks":
            assert scene.ready()["kubernetes"]["ok"]
        with stopped(here):
            assert scene.status(known) == 200
            since = time.monotonic()
            status, answer = scene.ask(unknown)
            assert time.monotonic() - since < TOLD_SECONDS
            if verify == "jwks":
                assert status == 200, answer
                return
            assert (status, answer["error"]) == (503, "temporarily_unavailable")
            told = scene.ready()["kubernetes"]
            assert not told["ok"] and "the API server of prod" in told["problem"]
        eventually(lambda: scene.ready()["kubernetes"]["ok"], ANSWER_SECONDS, "nobody sees that it is back")
        assert scene.status(unknown) == 200


@contextlib.contextmanager
def stopped(server: kubernetes.ApiServer):
    """It is frozen: it takes connections and answers nothing, which is the worse of the two ways to be away."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()
