"""What a process inside a sandbox can do: read its files, ask its socket, ask the TCP address."""

import http.client
import json
import socket
import urllib.parse
import urllib.request
from collections.abc import Mapping

from .cluster import SANDBOX, Cluster

ANSWER_SECONDS = 10


def environment(cluster: Cluster, name: str = SANDBOX) -> Mapping[str, str]:
    """A sandbox's `env` file, as a container runtime reads it: one NAME=value a line."""
    lines = (cluster.sandbox_directory.parent / name / "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def token_from_file(cluster: Cluster, name: str = "token") -> str:
    """A token file's exact content."""
    return (cluster.sandbox_directory / name).read_bytes().decode("ascii")


def token_from_socket(cluster: Cluster, audience: str, ttl: int = 900) -> str:
    """A token for an audience of the caller's choice. Being able to connect is the credential."""
    query = urllib.parse.urlencode({"audience": audience, "ttl": ttl})
    connection = _UnixConnection(str(cluster.identity_sock))
    try:
        connection.request("GET", f"/v1/token?{query}")
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    assert response.status == 200, (response.status, body)
    return json.loads(body)["value"]


def token_from_address(cluster: Cluster, audience: str) -> str:
    """The same over TCP, with the sandbox's secret."""
    query = urllib.parse.urlencode({"audience": audience, "ttl": 900})
    request = urllib.request.Request(
        f"{cluster.token_url}?{query}", headers={"Authorization": f"Bearer {cluster.token_secret}"}
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
        return json.load(response)["value"]


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str):
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
