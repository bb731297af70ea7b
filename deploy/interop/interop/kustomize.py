"""Renders the kustomizations of deploy/kubernetes and deploy/demo/kubernetes.

The part of kustomize that they use and no more: `resources`, `configMapGenerator` from files, `images`. A key that is
not known here is refused, so that nothing is left out silently. Where kustomize or kubectl is installed, a test
compares what the real one makes of them.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess

import yaml

RENDER_SECONDS = 60
KNOWN = {"apiVersion", "kind", "resources", "configMapGenerator", "images"}
# kustomize writes hashes without digits and letters that could make a word.
HASH_ALPHABET = str.maketrans("013ae", "ghkmt")


def documents(path: pathlib.Path) -> list[dict]:
    """The documents of a file that are not empty."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def render(folder: pathlib.Path) -> list[dict]:
    """What `kubectl apply -k` would apply."""
    rendered = _render(folder)
    by_identity = {identity(resource): resource for resource in rendered}
    assert len(by_identity) == len(rendered), f"{folder} has a resource twice"
    return rendered


def identity(resource: dict) -> tuple:
    metadata = resource["metadata"]
    return resource["kind"], metadata.get("namespace"), metadata["name"]


def of_kind(rendered: list[dict], kind: str) -> dict[str, dict]:
    """Those of one kind, by their names."""
    return {each["metadata"]["name"]: each for each in rendered if each["kind"] == kind}


def real(folder: pathlib.Path) -> list[dict] | None:
    """What the real one makes of it, where there is one."""
    commands = [("kustomize", ["build"]), ("kubectl", ["kustomize"])]
    for program, arguments in commands:
        if shutil.which(program):
            command = [program, *arguments, str(folder)]
            made = subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=RENDER_SECONDS
            )
            return [document for document in yaml.safe_load_all(made.stdout) if document]
    return None


def _render(folder: pathlib.Path) -> list[dict]:
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(plan) <= KNOWN, f"{folder}: {set(plan) - KNOWN} is not known to this renderer"
    resources = []
    for name in plan["resources"]:
        path = folder / name
        resources += _render(path.resolve()) if path.is_dir() else documents(path)
    for wanted in plan.get("configMapGenerator", []):
        config_map = _config_map(folder, wanted)
        for resource in resources:
            if resource["metadata"].get("namespace") == wanted["namespace"]:
                _name_config_map(resource, wanted["name"], config_map["metadata"]["name"])
        resources.append(config_map)
    for image in plan.get("images", []):
        for resource in resources:
            _set_image(resource, image)
    return resources


def _config_map(folder: pathlib.Path, wanted: dict) -> dict:
    assert set(wanted) == {"name", "namespace", "files"}, wanted
    # `key=file`, or a file that is its own key.
    named = [name.rpartition("=") for name in wanted["files"]]
    data = {key or name: (folder / name).read_text() for key, _, name in named}
    # kustomize 5 leaves the name empty here, so that two names with the same data have the same hash.
    hashed = {"data": data, "kind": "ConfigMap", "name": ""}
    # As Go writes JSON.
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    digest = hashlib.sha256(text.encode()).hexdigest()[:10].translate(HASH_ALPHABET)
    metadata = {"name": f"{wanted['name']}-{digest}", "namespace": wanted["namespace"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": data, "metadata": metadata}


def pod_of(resource: dict) -> dict | None:
    """The pod that a resource is or makes."""
    if resource["kind"] == "Pod":
        return resource["spec"]
    return resource.get("spec", {}).get("template", {}).get("spec")


def containers(pod: dict) -> list[dict]:
    """All of a pod, those that run before the others first."""
    return pod.get("initContainers", []) + pod.get("containers", [])


def _name_config_map(resource: dict, plain: str, name: str) -> None:
    for volume in (pod_of(resource) or {}).get("volumes", []):
        if volume.get("configMap", {}).get("name") == plain:
            volume["configMap"]["name"] = name


def _set_image(resource: dict, image: dict) -> None:
    assert set(image) <= {"name", "newName", "newTag", "digest"}, image
    end = f"@{image['digest']}" if "digest" in image else f":{image['newTag']}"
    for container in containers(pod_of(resource) or {}):
        if container["image"] == image["name"]:
            container["image"] = image["newName"] + end
