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


class ClusterFailed(Exception):
    """The cluster did not come up, or did not go down."""


@dataclass(frozen=True)
class Cluster:
    """What `dev.json` says, as far as the suite needs it."""

    issuer: str
    config: pathlib.Path
    token_file: pathlib.Path
    token_url: str
    token_secret: str
    identity_sock: pathlib.Path
    operations: str

    @property
    def sandbox_directory(self) -> pathlib.Path:
        """What a runtime mounts into the sandbox."""
        return self.token_file.parent


def read(path: pathlib.Path) -> Cluster:
    """Reads `dev.json`; a missing key is an error."""
    said = json.loads(path.read_text())
    return Cluster(
        issuer=said["issuer"],
        config=pathlib.Path(said["config"]),
        token_file=pathlib.Path(said["token_file"]),
        token_url=said["token_url"],
        token_secret=said["token_secret"],
        identity_sock=pathlib.Path(said["identity_sock"]),
        operations=said["operations_url"],
    )


def command(cluster: Cluster, *arguments: object) -> str:
    """What an operator's command prints; one that fails is an error."""
    program = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    ended = subprocess.run(
        [program, "--config", cluster.config, *arguments], check=True, capture_output=True,
        text=True, timeout=COMMAND_SECONDS,
    )
    return ended.stdout


@contextmanager
def running(moneyer: pathlib.Path, settings: Mapping[str, str] | None = None):
    """Starts a cluster in a directory of its own, and stops it as an operator does.

    `settings` are variables such as `MONEYER__KEYS__ROTATE_EVERY`.
    """
    # The system's own temporary directory: a socket's path has room for 107 bytes.
    with tempfile.TemporaryDirectory(prefix="moneyer-") as directory:
        place = pathlib.Path(directory)
        with (place / "moneyer.log").open("wb") as log:
            process = subprocess.Popen(
                [moneyer, "dev", "--dir", place / "dev"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "HOME": directory, **(settings or {})},
            )
        try:
            ready = place / "dev" / "dev.json"
            _wait_for(ready, process, place)
            cluster = read(ready)
            for token in (cluster.token_file, cluster.sandbox_directory / "tokens" / "aws"):
                _wait_for(token, process, place)
            yield cluster
        finally:
            _stop(process, place)


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
