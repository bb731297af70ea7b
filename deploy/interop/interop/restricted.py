"""The restricted Pod Security Standard, as far as the manifests of deploy/ come near it."""

from . import kustomize


def meets_restricted_but_for_volumes(pod):
    """As the Pod Security Standards have it, and beyond it a root that is read-only and no token of the API server."""
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert pod["automountServiceAccountToken"] is False
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True and context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in kustomize.containers(pod):
        own = dict(container["securityContext"])
        assert own.pop("runAsUser", 1) > 0 and own.pop("runAsGroup", 1) > 0
        assert own == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert all("hostPort" not in port for port in container.get("ports", []))
