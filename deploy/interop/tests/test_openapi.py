"""The OpenAPI document against a running coordinator, by schemathesis: what it generates from the document, well-formed and
not, is answered with a status, a media type and a body that the document has, and never with a fault of ours."""

import json
import pathlib
import re

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from interop import exchange, forwarder

DOCUMENT = pathlib.Path(__file__).parents[3] / "docs/reference/openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# For each operation, beside those that cover its schema's corners.
EXAMPLES = 3

api = schemathesis.openapi.from_path(DOCUMENT)
managed = api.include(path_regex="^/api/v1/")
exchanged = api.exclude(path_regex="^/api/v1/")
tried = settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(scope="module")
def coordinator():
    """With keys that are made quickly, and no limit on who asks how often."""
    with exchange.coordinator({"MONEYER__KEYS__ALGORITHM": "ES256"}) as started:
        yield started


@pytest.fixture(scope="module")
def management(coordinator):
    """The management API as an operator of the machine has it: nothing that is tried takes its own permission away."""
    with forwarder.forwarding(coordinator.config.with_name("management.sock")) as address:
        yield address


@pytest.fixture(scope="module")
def runner(coordinator):
    """The one of the document's examples."""
    coordinator.join("runner-1")
    (coordinator.config.parent / "backup").mkdir()


@pytest.fixture
def made(management, runner):
    """Everything that the document's examples name is there before an operation is tried."""
    def put(path: str, body: dict, method: str = "PUT"):
        answer = requests.request(method, f"{management}/api/v1{path}", json=body, timeout=exchange.ANSWER_SECONDS)
        assert answer.ok, (path, answer.text)

    put("/apps/web", {})
    put("/audiences/objects", {"value": "https://objects.example"})
    put("/policies/builds", {"patterns": ["spiffe://ci.example/build/*"], "effect": "allow"})
    put("/federations/other.example", {"url": "https://127.0.0.1:1/", "profile": "https_web"})
    put("/mappings", {"clientIdentifier": "system:serviceaccount:ci:deploy", "participantContext": "pc1", "scopes": []})
    put("/scopes", {"scope": "read", "claims": {}})
    known = requests.get(f"{management}/api/v1/runners", timeout=exchange.ANSWER_SECONDS).json()
    if known:
        # Until the operation that removes a runner was tried, which comes last.
        put("/sandboxes/web-1", {"app": "web", "runner": "runner-1"})


@managed.parametrize()
@tried
def test_the_management_api_is_as_the_document_says(case, coordinator, management, made):
    _stay_here(case, coordinator.config.parent)
    case.call_and_validate(base_url=management, checks=CHECKS)


@exchanged.parametrize()
@tried
def test_the_exchange_listener_is_as_the_document_says(case, coordinator):
    case.call_and_validate(base_url=coordinator.exchange, checks=CHECKS)


def _stay_here(case, place: pathlib.Path) -> None:
    """Nothing is fetched from another machine, and no file is written elsewhere: a bundle is said to be where nobody
    listens, and a copy of the store goes into the coordinator's directory, or into one that is not there."""
    if case.operation.path == "/api/v1/store/backup" and isinstance(case.body, dict):
        file = case.body.get("file")
        if isinstance(file, str) and file.startswith("/"):
            case.body["file"] = f"{place}{file}"
    if case.operation.path.startswith("/api/v1/federations/") and isinstance(case.body, dict):
        url = case.body.get("url")
        if isinstance(url, str):
            case.body["url"] = re.sub(r"^https://[^/?]*", "https://127.0.0.1:1", url)


def test_every_example_is_of_its_schema():
    document = json.loads(DOCUMENT.read_text())
    bodies = [
        content
        for item in document["paths"].values() for operation in item.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    for body in bodies:
        of_the_document(body["schema"]).validate(body["example"])
    assert len(bodies) > 15


def test_what_is_given_at_the_exchange_listener_is_as_the_document_says():
    # Of its own: what was tried at the other one may have moved its issuer.
    with exchange.coordinator() as coordinator:
        _exchange_and_log_in(coordinator)


def _exchange_and_log_in(coordinator) -> None:
    mapping = {"clientIdentifier": "system:serviceaccount:ns1:documented", "participantContext": "pc1", "scopes": ["read"]}
    file = coordinator.config.with_name("mappings.json")
    file.write_text(json.dumps([mapping]))
    coordinator.command("mapping", "import", file)
    proof = coordinator.api_server.token(mapping["clientIdentifier"])
    coordinator.command("policy", "put", "in", "--match", f"spiffe://{exchange.DOMAIN}/in", "--permit", "apps:read")
    svid = coordinator.api_server.jwt_svid(f"{coordinator.issuer}/v1/login/spiffe", "in")
    log_in = f"{coordinator.exchange}/v1/login/spiffe"
    for path, answer in [
        ("/token", coordinator.token(proof, {"scope": "read"})),
        ("/v1/login/spiffe", requests.post(log_in, json={"jwt_svid": svid}, timeout=exchange.ANSWER_SECONDS)),
    ]:
        assert answer.status_code == 200, (path, answer.text)
        said = json.loads(DOCUMENT.read_text())["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
        of_the_document(said["schema"]).validate(answer.json())


def of_the_document(schema: dict) -> jsonschema.Draft202012Validator:
    """A validator of a part of the document, where its references lead somewhere."""
    components = json.loads(DOCUMENT.read_text())["components"]
    return jsonschema.Draft202012Validator(schema | {"components": components})


def test_the_document_is_served_to_whoever_can_connect(coordinator):
    served = requests.get(f"{coordinator.remote}/api/v1/openapi.json", timeout=exchange.ANSWER_SECONDS)
    assert served.json() == json.loads(DOCUMENT.read_text())


def test_every_operation_that_needs_a_permission_is_refused_without_a_token(coordinator):
    tried = 0
    for path, item in json.loads(DOCUMENT.read_text())["paths"].items():
        for method, operation in item.items():
            if "x-permission" not in operation:
                continue
            url = coordinator.remote + re.sub(r"\{[a-z_]+\}", "nobody", path)
            answer = requests.request(method, url, timeout=exchange.ANSWER_SECONDS)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            tried += 1
    assert tried > 40
