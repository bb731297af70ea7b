"""A real API server: kube-apiserver with its etcd, in a directory of their own, and no nodes.

Both are children of this process and end with it. The API server has a certificate of the tests' own authority and
trusts the issuer by the same.
"""

import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import authority, child

# Ten times what both take on two idle cores.
READY_SECONDS = 120
STOP_SECONDS = 30
ANSWER_SECONDS = 30
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


class ApiServerFailed(Exception):
    """The API server did not come up."""


@dataclass(frozen=True)
class Printed:
    """What `moneyer trust kubernetes` prints: an `AuthenticationConfiguration` and, below `---`, a binding."""

    configuration: str
    binding: str

    def flags(self) -> list[str]:
        """The configuration as the flags of API servers before 1.29, which do not read the file. Each value is one
        that is printed; a line of another form is an error."""
        expression = self._json(r"  - expression: (.*)")
        subject = json.loads(_only(r'claims\.sub == (".*")', expression))
        groups = self._json(r"      expression: (.*)")
        groups_prefix, groups_claim = _only(r'\["(.*)" \+ claims\.(\w+)\]', groups)
        [audience] = self._json(r"    audiences: (.*)")
        return [
            f"--oidc-issuer-url={self._json('    url: (.*)')}",
            f"--oidc-client-id={audience}",
            f"--oidc-required-claim=sub={subject}",
            f"--oidc-username-claim={_only('      claim: (.*)', self.configuration)}",
            f"--oidc-username-prefix={self._json('      prefix: (.*)')}",
            f"--oidc-groups-claim={groups_claim}",
            f"--oidc-groups-prefix={groups_prefix}",
        ]

    def _json(self, line: str):
        return json.loads(_only(line, self.configuration))


def read(printed: str) -> Printed:
    """Takes the two documents apart."""
    configuration, binding = printed.split("\n---\n")
    return Printed(configuration, binding)


def _only(line: str, text: str) -> str | tuple[str, ...]:
    """The group, or the groups, of the one line of this form."""
    [found] = re.findall(f"^{line}$", text, re.MULTILINE)
    return found


@dataclass(frozen=True)
class ApiServer:
    """Where it is, and the token of its administrator."""

    url: str
    administrator: str
    authority: pathlib.Path
    log: pathlib.Path
    # Its process, once it has one.
    process: list[subprocess.Popen] = field(default_factory=list)

    def freeze(self) -> None:
        """It answers nobody until it is thawed."""
        self.process[0].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process[0].send_signal(signal.SIGCONT)

    def ask(self, token: str, path: str, body: str | None = None, method: str | None = None) -> tuple[int, dict]:
        """Status and answer; with a body, JSON or YAML, it is a POST if it is nothing else."""
        status, answer = self.read(token, path, body, method)
        return status, json.loads(answer)

    def read(self, token: str, path: str, body: str | None = None, method: str | None = None) -> tuple[int, bytes]:
        """The same where the answer is no JSON."""
        request = urllib.request.Request(
            self.url + path, data=None if body is None else body.encode(), method=method,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/yaml"},
        )
        trusted = ssl.create_default_context(cafile=self.authority)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=trusted) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@contextmanager
def running(program: pathlib.Path, served: authority.Served, flags: list[str]):
    """Starts one with these flags more."""
    with tempfile.TemporaryDirectory(prefix="kubernetes-") as directory:
        place = pathlib.Path(directory)
        administrator = secrets.token_hex()
        (place / "tokens.csv").write_text(f'{administrator},administrator,0,"system:masters"\n')
        (place / "service-accounts.pem").write_bytes(_key())
        client, peer, port = (_free_port() for _ in range(3))
        server = ApiServer(
            f"https://{authority.ADDRESS}:{port}", administrator, served.authority, place / "apiserver.log"
        )
        etcd, etcd_log = f"http://127.0.0.1:{client}", place / "etcd.log"
        with _daemon(_etcd(place, etcd, f"http://127.0.0.1:{peer}"), place, etcd_log) as store:
            _wait_for(lambda: _listens(client), store, etcd_log)
            command = [*_apiserver(program, place, server.url, port, served), f"--etcd-servers={etcd}", *flags]
            with _daemon(command, place, server.log) as process:
                _wait_for(lambda: _is_ready(server), process, server.log)
                _fill_view(server)
                server.process.append(process)
                yield server


def _fill_view(server: ApiServer) -> None:
    """Gives the role `view` the rules that are labelled for it. In a cluster its controller manager does; here is
    none, and the role would be empty."""
    answers = (server.ask(server.administrator, f"{ROLES}/{role}") for role in ("view", "system:aggregate-to-view"))
    (_, view), (_, rules) = answers
    filled = json.dumps(view | {"rules": rules["rules"]})
    status, answer = server.ask(server.administrator, f"{ROLES}/view", filled, "PUT")
    if status != 200:
        raise ApiServerFailed(f"the role view was not filled: {answer}")


def _etcd(place: pathlib.Path, client: str, peer: str) -> list[object]:
    program = shutil.which("etcd")
    if program is None:
        raise ApiServerFailed("there is no etcd; Debian has it in etcd-server")
    return [
        program, "--data-dir", place / "etcd", "--listen-client-urls", client,
        "--advertise-client-urls", client, "--listen-peer-urls", peer,
        "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
    ]


def _apiserver(program, place: pathlib.Path, url: str, port: int, served: authority.Served) -> list[object]:
    key = place / "service-accounts.pem"
    return [
        program, f"--bind-address={authority.ADDRESS}", f"--secure-port={port}",
        f"--advertise-address={authority.ADDRESS}", "--service-cluster-ip-range=10.96.0.0/24",
        f"--cert-dir={place / 'certificates'}", f"--tls-cert-file={served.server}",
        f"--tls-private-key-file={served.server}", f"--token-auth-file={place / 'tokens.csv'}",
        "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
        f"--service-account-issuer={url}", f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}", f"--oidc-ca-file={served.authority}",
    ]


def _key() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


@contextmanager
def _daemon(command: list[object], place: pathlib.Path, log: pathlib.Path):
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(map(str, command)), cwd=place, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], "HOME": str(place)},
        )
    try:
        yield process
    finally:
        child.stop(process, STOP_SECONDS)


def _wait_for(ready: Callable[[], bool], process: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if process.poll() is not None:
            raise ApiServerFailed(f"it ended with {process.returncode}:\n{log.read_text(errors='replace')}")
        if time.monotonic() > deadline:
            raise ApiServerFailed(f"not ready after {READY_SECONDS} s:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((authority.ADDRESS, port), ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def _is_ready(server: ApiServer) -> bool:
    """Once the roles are there, too, that it begins with."""
    try:
        return server.read(server.administrator, "/readyz")[0] == 200
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server((authority.ADDRESS, 0)) as found:
        return found.getsockname()[1]
