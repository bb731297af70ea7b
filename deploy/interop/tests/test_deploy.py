"""What lies in deploy/ is what the programs, systemd and Kubernetes take."""

import os
import pathlib
import re
import subprocess
import sysconfig
import tomllib

import kubernetes_validate
import pytest

from interop import kustomize, units
from interop.kustomize import of_kind
from interop.restricted import meets_restricted_but_for_volumes

DEPLOY = pathlib.Path(__file__).resolve().parents[2]
ROOT = DEPLOY.parent
BIN_DIR = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve()
ANSWER_SECONDS = 60

# preStop's sleep is on by default from 1.30 on; the newest is the newest whose schemas are at hand.
KUBERNETES = ["1.30", "1.35", "1.37"]
# Tenths: what the units were asked to stay under.
EXPOSURE = 15

OVERLAYS = sorted(
    path.parent for path in (DEPLOY / "kubernetes").glob("*/kustomization.yaml") if path.parent.name != "base"
)
DEMO = DEPLOY / "demo/kubernetes"
UNITS = sorted(path.name for path in (DEPLOY / "systemd").glob("*.service"))
DROP_INS = sorted(
    path.relative_to(DEPLOY / "systemd/drop-ins").as_posix()
    for path in (DEPLOY / "systemd/drop-ins").glob("*/*.conf")
)
EXAMPLES = sorted(path.name for path in (DEPLOY / "examples").glob("*.toml"))


@pytest.fixture(scope="module", params=OVERLAYS, ids=lambda overlay: overlay.name)
def overlay(request):
    return request.param


@pytest.fixture(scope="module")
def rendered(overlay):
    return kustomize.render(overlay)


@pytest.fixture
def root(tmp_path):
    """A root directory with the units in it."""
    units.rooted(tmp_path, DEPLOY / "systemd")
    return tmp_path


def check(path) -> subprocess.CompletedProcess:
    """`config check`, of whose configuration it is."""
    is_runner_proxy = "coordinator" in tomllib.loads(pathlib.Path(path).read_text())
    program = BIN_DIR / ("moneyer-runner-proxy" if is_runner_proxy else "moneyer")
    command = [program, "--config", path, "config", "check"]
    return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS)


# Configurations


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_good_configuration(name):
    checked = check(DEPLOY / "examples" / name)
    assert checked.returncode == 0, checked.stderr


def test_the_check_can_fail(tmp_path):
    text = (DEPLOY / "examples/acme.toml").read_text()
    wrong = tmp_path / "moneyer.toml"
    wrong.write_text(text.replace("accept_terms = true", "accept_terms = false"))
    assert check(wrong).returncode == 78


def test_every_configuration_in_a_config_map_is_good(rendered, tmp_path):
    config_maps = of_kind(rendered, "ConfigMap")
    assert len(config_maps) == 2
    for name, config_map in config_maps.items():
        for file, text in config_map["data"].items():
            path = tmp_path / f"{name}-{file}"
            path.write_text(text)
            checked = check(path)
            assert checked.returncode == 0, checked.stderr


def test_examples_say_what_the_units_say():
    single = tomllib.loads((DEPLOY / "examples/single-machine.toml").read_text())
    unit = (DEPLOY / "systemd/moneyer.service").read_text()
    assert f"\nLoadCredential={single['seal']['credential']}:" in unit
    assert "\nLogsDirectory=moneyer\n" in unit
    assert single["audit"]["path"].startswith("/var/log/moneyer/")
    runner = tomllib.loads((DEPLOY / "examples/single-machine-runner-proxy.toml").read_text())
    unit = (DEPLOY / "systemd/moneyer-runner-proxy.service").read_text()
    for key, setting, base in [("run", "Runtime", "/run"), ("state", "State", "/var/lib")]:
        name = re.search(rf"^{setting}Directory=(.*)$", unit, re.MULTILINE)[1]
        assert runner["runner"][key] == f"{base}/{name}"
    # An attached sandbox has its directory mounted.
    assert "\nRuntimeDirectoryPreserve=yes\n" in unit


# systemd


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_a_unit(unit, root):
    verified = units.verify(root, unit)
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = units.exposure(root, unit, EXPOSURE)
    assert judged.returncode == 0, judged.stdout


@pytest.mark.parametrize("drop_in", DROP_INS)
def test_systemd_takes_a_unit_with_a_drop_in(drop_in, root):
    folder, name = drop_in.split("/")
    (root / units.UNITS / folder).mkdir()
    text = (DEPLOY / "systemd/drop-ins" / drop_in).read_text()
    (root / units.UNITS / folder / name).write_text(text)
    unit = folder.removesuffix(".d")
    verified = units.verify(root, unit)
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = units.exposure(root, unit, EXPOSURE)
    assert judged.returncode == 0, judged.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("WatchdogSec=", "WatchdogSecs="),
        ("SystemCallFilter=@system-service", "SystemCallFilter=@system-services"),
        ("ExecStart=/usr/bin/moneyer ", "ExecStart=/usr/bin/moneyerd "),
    ],
)
def test_a_slip_in_a_unit_is_seen(old, new, root):
    path = root / units.UNITS / "moneyer.service"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert units.verify(root, "moneyer.service").returncode != 0


def test_a_looser_unit_is_seen(root):
    path = root / units.UNITS / "moneyer.service"
    path.write_text(path.read_text().replace("CapabilityBoundingSet=\n", ""))
    assert units.exposure(root, "moneyer.service", EXPOSURE).returncode != 0


def test_users_and_files_are_what_systemd_makes(tmp_path):
    (tmp_path / "etc").mkdir()
    for program, source, made in [
        ("systemd-sysusers", "sysusers.d/moneyer.conf", "etc/passwd"),
        ("systemd-tmpfiles", "tmpfiles.d/moneyer.conf", "etc/moneyer"),
    ]:
        create = ["--create"] if program == "systemd-tmpfiles" else []
        command = [program, *create, f"--root={tmp_path}", DEPLOY / "systemd" / source]
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / made).exists()
    users = {line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    for unit in UNITS:
        text = (DEPLOY / "systemd" / unit).read_text()
        assert re.search(r"^User=(.*)$", text, re.MULTILINE)[1] in users


# Kubernetes


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(version, rendered):
    pods = kustomize.documents(DEPLOY / "kubernetes/node/join.yaml")
    for resource in rendered + pods:
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_validation_can_fail(rendered):
    wrong = dict(of_kind(rendered, "StatefulSet")["moneyer"])
    wrong["spec"] = {**wrong["spec"], "replica": 1}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize("folder", [*OVERLAYS, DEMO], ids=lambda folder: folder.relative_to(DEPLOY).as_posix())
def test_the_renderer_makes_what_kustomize_makes(folder):
    real = kustomize.real(folder)
    if real is None:
        pytest.skip("neither kustomize nor kubectl is installed; the renderer of this suite stands alone")

    def ordered(resources):
        return sorted(resources, key=lambda each: [str(part) for part in kustomize.identity(each)])

    assert ordered(kustomize.render(folder)) == ordered(real)


def test_the_coordinators_pod_meets_the_restricted_profile(rendered):
    namespace = of_kind(rendered, "Namespace")["moneyer"]["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = kustomize.pod_of(of_kind(rendered, "StatefulSet")["moneyer"])
    meets_restricted_but_for_volumes(pod)
    allowed = {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}
    assert all(set(volume) - {"name"} <= allowed for volume in pod["volumes"])


def test_the_runner_proxys_pod_asks_for_nothing_but_two_directories(rendered):
    pod = kustomize.pod_of(of_kind(rendered, "DaemonSet")["moneyer-runner-proxy"])
    meets_restricted_but_for_volumes(pod)
    config = tomllib.loads(data_of(rendered, "runner-proxy.toml"))["runner"]
    paths = {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    assert paths == {config["run"], config["state"]}
    # The same path inside: what `sandbox attach` says holds for the node.
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert paths <= mounts
    user = str(pod["securityContext"]["runAsUser"])
    prepared = (DEPLOY / "kubernetes/node/moneyer-runner-proxy.conf").read_text()
    lines = [line.split() for line in prepared.splitlines() if line.startswith("d ")]
    assert {(path, owner, group) for _, path, _, owner, group, _ in lines} == {
        (path, user, user) for path in paths
    }
    (join,) = kustomize.documents(DEPLOY / "kubernetes/node/join.yaml")
    meets_restricted_but_for_volumes(join["spec"])
    assert str(join["spec"]["securityContext"]["runAsUser"]) == user


def data_of(rendered, file: str) -> str:
    found = [each["data"][file] for each in rendered if file in each.get("data", {})]
    assert len(found) == 1
    return found[0]


def test_ports_probes_and_services_lead_to_listeners(rendered):
    coordinator = tomllib.loads(data_of(rendered, "moneyer.toml"))["listen"]
    runner_proxy = tomllib.loads(data_of(rendered, "runner-proxy.toml"))
    pod = kustomize.pod_of(of_kind(rendered, "StatefulSet")["moneyer"])
    ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
    assert ports == {
        name: int(coordinator[name].rsplit(":", 1)[1]) for name in ("public", "grpc", "operations")
    }
    other = kustomize.pod_of(of_kind(rendered, "DaemonSet")["moneyer-runner-proxy"])
    (operations,) = other["containers"][0]["ports"]
    assert runner_proxy["operations"]["listen"] == f"0.0.0.0:{operations['containerPort']}"
    for container in (pod["containers"][0], other["containers"][0]):
        for probe, path in [
            ("startupProbe", "/livez"),
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
        ]:
            assert container[probe]["httpGet"] == {"path": path, "port": "operations"}
    services = of_kind(rendered, "Service")
    targets = {port["targetPort"] for each in services.values() for port in each["spec"]["ports"]}
    assert targets == {"public", "grpc"}, "operations is nobody's through a Service"
    host, port = runner_proxy["coordinator"]["address"].split(":")
    name, namespace = host.split(".")[:2]
    (service,) = [each for each in services.values() if each["metadata"]["name"] == name]
    assert service["metadata"]["namespace"] == namespace
    assert int(port) in {each["port"] for each in service["spec"]["ports"]}


def test_every_secret_that_the_configuration_names_is_mounted(rendered):
    config = tomllib.loads(data_of(rendered, "moneyer.toml"))
    pod = kustomize.pod_of(of_kind(rendered, "StatefulSet")["moneyer"])
    (container,) = pod["containers"]
    secrets = {volume["name"] for volume in pod["volumes"] if "secret" in volume}
    mounted = {
        mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] in secrets
    }
    (credentials,) = [each["value"] for each in container["env"]]
    store = config["store"]
    named = {store[key] for key in ("url_file", "ca_file") if key in store}
    assert mounted == named | {f"{credentials}/{config['seal']['credential']}"}


def test_as_many_coordinators_as_the_store_has_room_for(rendered):
    config = tomllib.loads(data_of(rendered, "moneyer.toml"))
    coordinators = of_kind(rendered, "StatefulSet")["moneyer"]["spec"]["replicas"]
    budget = of_kind(rendered, "PodDisruptionBudget")["moneyer"]["spec"]["maxUnavailable"]
    is_shared = config["store"].get("backend") == "postgres"
    assert (coordinators, budget) == ((3, 1) if is_shared else (1, 0))


def test_the_grace_period_fits_the_drain(rendered):
    source = (ROOT / "issuer/src/app/coordinator.rs").read_text()
    drain = int(re.search(r"const DRAIN: Duration = Duration::from_secs\((\d+)\);", source)[1])
    pod = kustomize.pod_of(of_kind(rendered, "StatefulSet")["moneyer"])
    before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    # As long again for the audit log and the store.
    assert pod["terminationGracePeriodSeconds"] >= before + 2 * drain
    unit = (DEPLOY / "systemd/moneyer.service").read_text()
    assert int(re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)[1]) >= 2 * drain


def test_whatever_is_selected_is_there(rendered):
    """A selector that fits nothing protects nothing and reaches nobody."""
    labelled = [
        (each["metadata"]["namespace"], each["spec"]["template"]["metadata"]["labels"])
        for kind in ("StatefulSet", "DaemonSet")
        for each in of_kind(rendered, kind).values()
    ]
    for each in rendered:
        spec = each.get("spec", {})
        selector = {
            "Service": spec.get("selector"),
            "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels", {}),
            "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
        }.get(each["kind"])
        if selector is not None:
            namespace = each["metadata"]["namespace"]
            assert any(
                namespace == where and selector.items() <= labels.items()
                for where, labels in labelled
            ), kustomize.identity(each)


# Containers


def test_the_container_file_is_sound_and_fits_the_manifests(rendered):
    path = DEPLOY / "container/Containerfile"
    hadolint = pathlib.Path(sysconfig.get_path("scripts")) / "hadolint"
    command = [hadolint, "--no-color", path]
    linted = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    assert linted.returncode == 0, linted.stdout
    text = path.read_text()
    rust = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    assert f"\nARG BUILDER=docker.io/library/rust:{rust}-alpine" in text
    for kind, name in [("StatefulSet", "moneyer"), ("DaemonSet", "moneyer-runner-proxy")]:
        stage = text.split(f"\nFROM scratch AS {name}\n")[1].split("\nFROM ")[0]
        pod = kustomize.pod_of(of_kind(rendered, kind)[name])
        context, (container,) = pod["securityContext"], pod["containers"]
        assert f"\nUSER {context['runAsUser']}:{context['runAsGroup']}\n" in stage
        exposed = re.search(r"^EXPOSE (.*)$", stage, re.MULTILINE)[1].split()
        assert exposed == [str(port["containerPort"]) for port in container["ports"]]
        assert f'\nENTRYPOINT ["/usr/bin/{name}"]\n' in stage
