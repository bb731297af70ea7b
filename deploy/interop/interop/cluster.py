"""A development cluster: `moneyer dev` as a child process, and what it says about itself."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass

# A debug build on two busy cores makes its keys and attaches its sandbox well within this.
READY_SECONDS = 60
STOP_SECONDS = 15
COMMAND_SECONDS = 60
# What `moneyer dev` writes and registers.
TRUST_DOMAIN, APP, RUNNER, SANDBOX = "127.0.0.1", "demo", "dev", "demo-1"
# That of a cluster that nobody here trusts.
FOREIGN_TRUST_DOMAIN = "foreign.example"
# How a daemon ends whose configuration is not usable.
UNUSABLE = 78


class ClusterFailed(Exception):
    """The cluster did not come up, or did not go down."""


@dataclass(frozen=True)
class Cluster:
    """What `dev.json` says, as far as the suite needs it."""

    issuer: str
    config: pathlib.Path
    runner_config: pathlib.Path
    token_file: pathlib.Path
    token_url: str
    token_secret: str
    identity_sock: pathlib.Path
    operations: str
    # The process of the coordinator. The runner proxy is another.
    coordinator: int

    @property
    def sandbox_directory(self) -> pathlib.Path:
        """What a runtime mounts into the sandbox."""
        return self.token_file.parent


def read(path: pathlib.Path, coordinator: int) -> Cluster:
    """Reads `dev.json`; a missing key is an error."""
    said = json.loads(path.read_text())
    return Cluster(
        issuer=said["issuer"],
        config=pathlib.Path(said["config"]),
        runner_config=pathlib.Path(said["runner_config"]),
        token_file=pathlib.Path(said["token_file"]),
        token_url=said["token_url"],
        token_secret=said["token_secret"],
        identity_sock=pathlib.Path(said["identity_sock"]),
        operations=said["operations_url"],
        coordinator=coordinator,
    )


def command(cluster: Cluster, *arguments: object) -> str:
    """What an operator's command prints; one that fails is an error."""
    return _run("moneyer", "--config", cluster.config, *arguments)


def attach(cluster: Cluster, name: str) -> None:
    """Places one more sandbox of the app on the runner and attaches it there."""
    command(cluster, "sandbox", "put", name, "--app", APP, "--runner", RUNNER)
    _run("moneyer-runner-proxy", "--config", cluster.runner_config, "sandbox", "attach", name)


def _run(program: str, *arguments: object) -> str:
    binary = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / program
    ended = subprocess.run(
        [binary, *arguments], check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS
    )
    return ended.stdout


@contextmanager
def running(moneyer: pathlib.Path, settings: Mapping[str, str] | None = None,
            trust_domain: str = TRUST_DOMAIN):
    """Starts a cluster in a directory of its own, and stops it as an operator does.

    `settings` are variables such as `MONEYER__KEYS__ROTATE_EVERY`.
    """
    # The system's own temporary directory: a socket's path has room for 107 bytes.
    with tempfile.TemporaryDirectory(prefix="moneyer-") as directory:
        place = pathlib.Path(directory)
        if trust_domain != TRUST_DOMAIN:
            _prepare(moneyer, place / "dev", trust_domain)
        with (place / "moneyer.log").open("wb") as log:
            process = subprocess.Popen(
                [moneyer, "dev", "--dir", place / "dev"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "HOME": directory, **(settings or {})},
            )
        try:
            ready = place / "dev" / "dev.json"
            _wait_for(ready, process, place)
            cluster = read(ready, process.pid)
            for token in (cluster.token_file, cluster.sandbox_directory / "tokens" / "aws"):
                _wait_for(token, process, place)
            yield cluster
        finally:
            _stop(process, place)


def _prepare(moneyer: pathlib.Path, place: pathlib.Path, trust_domain: str) -> None:
    """Has both configurations written and no more, and gives them another trust domain.

    A start that is refused for a setting has written them before; a cluster that ran once would keep its
    trust domain.
    """
    refused = {"PATH": os.environ["PATH"], "MONEYER__ISSUER__URL": "none"}
    ended = subprocess.run(
        [moneyer, "dev", "--dir", place], env=refused, capture_output=True, timeout=COMMAND_SECONDS
    )
    if ended.returncode != UNUSABLE:
        raise ClusterFailed(f"moneyer dev ended with {ended.returncode} for an issuer that is none")
    for name in ("moneyer.toml", "runner-proxy.toml"):
        before = (place / name).read_text()
        after = before.replace(f'trust_domain = "{TRUST_DOMAIN}"', f'trust_domain = "{trust_domain}"')
        if after == before:
            raise ClusterFailed(f"{name} names no trust domain")
        (place / name).write_text(after)


def _wait_for(path: pathlib.Path, process: subprocess.Popen, place: pathlib.Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not path.exists():
        if process.poll() is not None:
            raise ClusterFailed(f"moneyer dev ended with {process.returncode}:\n{_logs(place)}")
        if time.monotonic() > deadline:
            raise ClusterFailed(f"no {path} after {READY_SECONDS} s:\n{_logs(place)}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen, place: pathlib.Path) -> None:
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ClusterFailed(f"SIGINT did not end moneyer dev:\n{_logs(place)}") from None
    if code != 0:
        raise ClusterFailed(f"moneyer dev ended with {code} after SIGINT:\n{_logs(place)}")


def _logs(place: pathlib.Path) -> str:
    """What both daemons wrote."""
    found = sorted(place.glob("**/*.log"))
    return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')}" for log in found)
