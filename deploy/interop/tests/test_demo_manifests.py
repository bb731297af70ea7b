"""The demo on Kubernetes: manifests, profiles, SPIRE's values and the services' scripts fit together."""

import pathlib
import re
import tomllib
import urllib.parse

import kubernetes_validate
import pytest
import yaml

from interop import kustomize
from interop.kustomize import of_kind
from interop.restricted import meets_restricted_but_for_volumes

DEPLOY = pathlib.Path(__file__).resolve().parents[2]
DEMO = DEPLOY / "demo/kubernetes"
# As those of deploy/kubernetes.
KUBERNETES = ["1.30", "1.35", "1.37"]


@pytest.fixture(scope="module")
def demo():
    return kustomize.render(DEMO)


@pytest.fixture(scope="module")
def demo_settings(demo):
    """What each of its services is told."""
    return {
        name: {each["name"]: each["value"] for each in kustomize.pod_of(deployment)["containers"][0]["env"]}
        for name, deployment in of_kind(demo, "Deployment").items()
    }


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(version, demo):
    for resource in demo:
        kubernetes_validate.validate(resource, version, strict=True)


def test_every_pod_of_the_demo_meets_the_restricted_profile(demo):
    (namespace,) = of_kind(demo, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = [pod for pod in map(kustomize.pod_of, demo) if pod]
    assert len(pods) == 8
    for pod in pods:
        meets_restricted_but_for_volumes(pod)
        allowed = {"configMap", "secret", "emptyDir", "csi"}
        assert all(set(volume) - {"name"} <= allowed for volume in pod["volumes"])


def test_the_sockets_of_spire_are_the_runner_proxys_alone(demo):
    pod = of_kind(demo, "Pod")["grant"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if "csi" in volume]
    assert volume["csi"] == {"driver": "csi.spiffe.io", "readOnly": True}
    mounts = {
        container["name"]: mount
        for container in kustomize.containers(pod)
        for mount in container.get("volumeMounts", [])
        if mount["name"] == volume["name"]
    }
    config = tomllib.loads((DEMO / "grant-runner-proxy.toml").read_text())
    socket = pathlib.PurePath(config["grants"]["workload_api_socket"])
    assert mounts == {
        "runner-proxy": {"name": volume["name"], "mountPath": str(socket.parent), "readOnly": True}
    }
    assert not any("csi" in volume for volume in of_kind(demo, "Pod")["exchange"]["spec"]["volumes"])


@pytest.mark.parametrize("name", ["grant", "exchange"])
def test_a_sandbox_of_the_demo_has_nothing_of_its_runner_proxy(demo, name):
    pod = of_kind(demo, "Pod")[name]["spec"]
    (sandbox,) = [container for container in pod["containers"] if container["name"] == "sandbox"]
    assert not {"volumeMounts", "env", "envFrom"} & set(sandbox)
    assert sandbox["securityContext"]["runAsUser"] != pod["securityContext"]["runAsUser"]
    assert not pod.get("shareProcessNamespace")


def test_a_runner_proxy_of_the_demo_finds_its_coordinator_and_its_volumes(demo):
    base = tomllib.loads((DEPLOY / "kubernetes/base/runner-proxy.toml").read_text())
    for name, pod in of_kind(demo, "Pod").items():
        config = tomllib.loads((DEMO / f"{name}-runner-proxy.toml").read_text())
        assert config["coordinator"] == base["coordinator"]
        (proxy,) = [each for each in pod["spec"]["containers"] if each["name"] == "runner-proxy"]
        (operations,) = proxy["ports"]
        assert config["operations"]["listen"] == f"0.0.0.0:{operations['containerPort']}"
        assert config["forward"]["listen"].startswith("127.0.0.1:")
        volumes = {volume["name"] for volume in pod["spec"]["volumes"] if "emptyDir" in volume}
        writable = {each["mountPath"] for each in proxy["volumeMounts"] if each["name"] in volumes}
        # The state is of mode 0700, and what is mounted is not.
        assert writable == {config["runner"]["run"], str(pathlib.PurePath(config["runner"]["state"]).parent)}


def test_the_demos_services_are_told_what_their_scripts_ask_for(demo, demo_settings):
    (scripts,) = [each["data"] for each in of_kind(demo, "ConfigMap").values() if "oauth.mjs" in each["data"]]
    assert set(scripts) == {path.name for path in (DEPLOY / "demo/services").glob("*.mjs")}
    for name, deployment in of_kind(demo, "Deployment").items():
        (container,) = kustomize.pod_of(deployment)["containers"]
        script = pathlib.PurePath(container["command"][1]).name
        asked = set(re.findall(r"setting\('(\w+)'\)", scripts[script])) | {"LISTEN", "SECRET_FILE"}
        if "new SvidVerifier" in scripts[script]:
            asked |= {"SVID_KEY_SET", "SVID_ISSUER", "SVID_AUDIENCE"}
        assert set(demo_settings[name]) - {"TOKEN_USE"} == asked, name
        assert demo_settings[name]["LISTEN"].endswith(f":{container['ports'][0]['containerPort']}")


@pytest.mark.parametrize("kind", ["grant", "exchange"])
def test_a_profile_of_the_demo_names_services_that_are_there(demo, demo_settings, kind):
    profile = yaml.safe_load((DEPLOY / f"demo/profiles/spiffe-token-{kind}-demo.yaml").read_text())
    services = {
        f"{name}.{each['metadata']['namespace']}.svc.cluster.local": (name, each["spec"]["ports"][0]["port"])
        for name, each in of_kind(demo, "Service").items()
    }
    (grant,) = [each["token_grant"] for each in profile["credentials"] if "token_grant" in each]
    endpoint = urllib.parse.urlsplit(grant["token_endpoint"])
    issuer, _ = services[endpoint.hostname]
    assert endpoint.path == "/token"
    assert grant["jwt_svid_audience"] == demo_settings[issuer]["SVID_AUDIENCE"]
    for endpoint, override in zip(profile["endpoints"], grant["audience_overrides"], strict=True):
        (port,) = endpoint.get("ports") or [endpoint["port"]]
        name, served = services[endpoint["host"]]
        assert port == served
        assert (override["host"], override["port"]) == (endpoint["host"], port)
        assert override["audience"] == demo_settings[name]["SERVICE"]
        assert demo_settings[name]["ISSUER"] == demo_settings[issuer]["ISSUER"]
        assert demo_settings[name].get("TOKEN_USE") == (None if kind == "grant" else "final")


def test_spire_gives_the_sandbox_the_id_that_the_issuer_takes(demo, demo_settings):
    values = yaml.safe_load((DEMO / "spire/values.yaml").read_text())
    told = demo_settings["token-issuer"]
    spire = values["global"]["spire"]
    assert spire["jwtIssuer"] == told["SVID_ISSUER"]
    assert told["SVID_KEY_SET"] == f"{spire['jwtIssuer']}/keys"
    ids = values["spire-server"]["controllerManager"]["identities"]["clusterSPIFFEIDs"]
    assert ids["default"] == {"enabled": False}
    template = ids["moneyer-sandboxes"]["spiffeIDTemplate"].replace("{{ .TrustDomain }}", spire["trustDomain"])
    prefix, annotation = template.split("{{", 1)
    assert prefix == told["SVID_PREFIX"]
    pods = of_kind(demo, "Pod").values()
    selected = ids["moneyer-sandboxes"]["podSelector"]["matchLabels"].items()
    (pod,) = [each["metadata"] for each in pods if selected <= each["metadata"]["labels"].items()]
    assert (pod["name"], pod["annotations"]["moneyer/sandbox-id"]) == ("grant", "grant-1")
    assert re.fullmatch(r' index \.PodMeta\.Annotations "(.*)" }}', annotation)[1] == "moneyer/sandbox-id"
    (name,) = ids["moneyer-sandboxes"]["namespaceSelector"]["matchLabels"].values()
    assert name == pod["namespace"]


def test_the_exchange_issuer_takes_the_ids_of_the_installed_cluster(demo_settings):
    told = demo_settings["token-exchange-issuer"]
    installed = tomllib.loads((DEPLOY / "kubernetes/sled/moneyer.toml").read_text())["issuer"]
    assert told["SVID_ISSUER"] == installed["url"]
    domain = urllib.parse.urlsplit(installed["url"]).hostname
    assert told["SANDBOX_PREFIX"] == f"spiffe://{domain}/app/"
    assert told["COORDINATOR_PREFIX"].startswith(f"spiffe://{domain}/moneyer/")


def test_the_demo_opens_the_coordinator_the_way_to_the_exchange_issuer_alone(demo):
    policy = of_kind(demo, "NetworkPolicy")["coordinator-to-token-exchange-issuer"]
    (rule,) = policy["spec"]["egress"]
    (to,), (port,) = rule["to"], rule["ports"]
    labels = of_kind(demo, "Deployment")["token-exchange-issuer"]["spec"]["template"]["metadata"]["labels"]
    assert to["podSelector"]["matchLabels"].items() <= labels.items()
    assert port == {"port": "http"}
    coordinator = of_kind(kustomize.render(DEPLOY / "kubernetes/sled"), "StatefulSet")["moneyer"]
    assert policy["metadata"]["namespace"] == coordinator["metadata"]["namespace"]
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= coordinator["spec"]["template"]["metadata"]["labels"].items()
