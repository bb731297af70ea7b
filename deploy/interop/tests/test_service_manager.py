"""Both daemons under a service manager: what systemd would hear on NOTIFY_SOCKET (sd_notify(3))."""

import contextlib
import os
import pathlib
import secrets
import socket
import subprocess

import pytest

from interop.child import stop

BIN_DIR = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve()
# Longer than anything here takes on a machine however busy; nothing waits so long for luck.
PATIENCE_SECONDS = 120

COORDINATOR = """
issuer.url = "https://id.example.com"
keys.algorithm = "ES256"
seal.credential = "seal.key"
listen.public = "127.0.0.1:0"
listen.grpc = "127.0.0.1:{port}"
listen.operations = "127.0.0.1:0"
listen.management = "unix:{place}/management.sock"
store.path = "{place}/store"
audit.path = "{place}/audit"
"""

RUNNER_PROXY = """
coordinator.address = "127.0.0.1:{port}"
coordinator.trust_domain = "id.example.com"
runner.state = "{place}/state"
runner.run = "{place}/run"
token_server.listen = "127.0.0.1:0"
"""


class Manager:
    """Hears what a daemon tells."""

    def __init__(self, name: str):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1))
        self.socket.settimeout(PATIENCE_SECONDS)

    def hear(self) -> str:
        return self.socket.recv(1024).decode()

    @contextlib.contextmanager
    def running(self, command, **environment):
        """A daemon whose watchdog ends it after eight seconds: it beats every two."""
        told = {"NOTIFY_SOCKET": self.name, "WATCHDOG_USEC": "8000000", **environment}
        process = subprocess.Popen(command, env=os.environ | told)
        try:
            yield process
        finally:
            stop(process, PATIENCE_SECONDS)
            self.socket.close()


@pytest.fixture
def coordinator(tmp_path):
    """The coordinator's command and environment, with its seal key as a credential that its group may read."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / "seal.key").write_bytes(secrets.token_bytes(32))
    # As systemd hands it out, by an ACL whose mask shows there, and Kubernetes.
    (credentials / "seal.key").chmod(0o440)
    config = tmp_path / "moneyer.toml"
    config.write_text(COORDINATOR.format(place=tmp_path, port=port))
    return [BIN_DIR / "moneyer", "--config", config], {"CREDENTIALS_DIRECTORY": str(credentials)}, port


def test_the_coordinator_beats_after_a_token_was_signed_and_verified(coordinator, tmp_path):
    command, environment, _ = coordinator
    manager = Manager(str(tmp_path / "notify"))
    with manager.running([*command, "serve"], **environment) as process:
        assert [manager.hear() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
        process.terminate()
        while (told := manager.hear()) == "WATCHDOG=1":
            pass
        assert told == "STOPPING=1"
        assert process.wait(PATIENCE_SECONDS) == 0


def test_the_runner_proxy_beats_after_its_token_server_answered(coordinator, tmp_path):
    command, environment, port = coordinator
    config = tmp_path / "runner-proxy.toml"
    config.write_text(RUNNER_PROXY.format(place=tmp_path, port=port))
    runner_proxy = [BIN_DIR / "moneyer-runner-proxy", "--config", config]
    manager = Manager(str(tmp_path / "notify"))
    with manager.running([*command, "serve"], **environment):
        assert manager.hear() == "READY=1"
        invite = [*command, "runner", "invite", "host-1"]
        token = subprocess.run(invite, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
        join = [*runner_proxy, "join"]
        subprocess.run(join, input=token.stdout, check=True, timeout=PATIENCE_SECONDS)
    # The coordinator is gone: no reason to be ended. An abstract name, as systemd may use.
    manager = Manager(f"@moneyer-{secrets.token_hex(8)}")
    with manager.running([*runner_proxy, "serve"]) as process:
        assert [manager.hear() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
        process.terminate()
        while (told := manager.hear()) == "WATCHDOG=1":
            pass
        assert told == "STOPPING=1"
        assert process.wait(PATIENCE_SECONDS) == 0
