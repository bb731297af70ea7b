"""A real STS: Ceph's RADOS Gateway, on a cluster of one node in a directory of its own.

Without systemd: the daemons run in the foreground as children of this process, and end with it.
"""

import os
import pathlib
import shutil
import string
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

TEMPLATE = pathlib.Path(__file__).parent.parent / "templates" / "ceph.conf.in"
PORT = 18000
# Five times what it takes on two cores.
READY_SECONDS = 60
STOP_SECONDS = 20
CAPABILITIES = "oidc-provider=*;roles=*"


class GatewayFailed(Exception):
    """The gateway did not come up."""


@dataclass(frozen=True)
class Gateway:
    """Where it is, and the keys of its administrator."""

    endpoint: str
    access_key: str
    secret_key: str
    place: pathlib.Path

    def log(self) -> str:
        """What it wrote: the caller of STS is told 403 and nothing else."""
        return "\n".join(
            path.read_text(errors="replace") for path in sorted(self.place.glob("run/*.log"))
        )


@contextmanager
def running(tenant: str):
    """Starts a gateway; `tenant` stands where AWS has the account, so that ARNs of an account fit."""
    # The system's own temporary directory: a socket's path has room for 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ceph-") as directory, ExitStack() as daemons:
        place = pathlib.Path(directory)
        ceph = _Ceph(place)
        ceph.configure()
        daemons.enter_context(ceph.daemon("ceph-mon", "-i", "a", "-f"))
        ceph.wait_until("the monitor", lambda: ceph.answers("ceph", "--connect-timeout", "2", "-s"))
        ceph.make_osd()
        daemons.enter_context(ceph.daemon("ceph-osd", "-i", "0", "-f"))
        daemons.enter_context(ceph.daemon("radosgw", "-f", "-n", "client.rgw.lab"))
        endpoint = f"http://127.0.0.1:{PORT}"
        ceph.wait_until("the gateway", lambda: _listens(endpoint))
        ceph.run("radosgw-admin", "user", "create", "--tenant", tenant, "--uid", "admin",
                 "--display-name", "admin", "--access-key", "AK1", "--secret", "SK1",
                 "--caps", CAPABILITIES)
        yield Gateway(endpoint, "AK1", "SK1", place)


def _listens(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class _Ceph:
    """Its files, its commands and its daemons."""

    def __init__(self, place: pathlib.Path):
        self._place = place
        self._environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": str(place),
            "CEPH_CONF": str(place / "ceph.conf"), "no_proxy": "127.0.0.1",
        }

    def configure(self) -> None:
        for name in ("mon", "osd0", "rgw", "run"):
            (self._place / name).mkdir()
        text = string.Template(TEMPLATE.read_text()).substitute(place=self._place, port=PORT)
        (self._place / "ceph.conf").write_text(text)
        keyring = self._place / "keyring"
        self._key(keyring, "mon.", "allow *", "--create-keyring")
        self._key(keyring, "client.admin", "allow *", "--cap", "osd", "allow *")
        self._key(keyring, "osd.0", "allow profile osd", "--cap", "osd", "allow *")
        self._key(keyring, "client.rgw.lab", "allow *", "--cap", "osd", "allow *")
        monmap = self._place / "monmap"
        self.run("monmaptool", "--create", "--fsid", "6f1d7b0a-0000-4000-8000-000000000001",
                 "--addv", "a", "[v2:127.0.0.1:13300]", monmap)
        self.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", keyring)

    def make_osd(self) -> None:
        uuid = "6f1d7b0a-0000-4000-8000-000000000002"
        self.run("ceph", "osd", "new", uuid)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", uuid)

    def run(self, *command: object) -> None:
        ended = self._run(*command)
        if ended.returncode != 0:
            raise GatewayFailed(f"{command[0]} ended with {ended.returncode}:\n{ended.stderr}")

    def answers(self, *command: object) -> bool:
        return self._run(*command).returncode == 0

    @contextmanager
    def daemon(self, *command: str):
        """A daemon in the foreground."""
        name = command[0]
        with (self._place / "run" / f"{name}.out.log").open("wb") as out:
            process = subprocess.Popen(
                [self._program(name), *command[1:]], env=self._environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )
        try:
            yield
        finally:
            # There is nothing to save: all of it lies in memory or in a directory that goes.
            process.kill()
            process.wait(STOP_SECONDS)

    def wait_until(self, what: str, is_so) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not is_so():
            if time.monotonic() > deadline:
                logs = [path.read_text(errors="replace")[-4000:] for path in self._place.glob("run/*.log")]
                raise GatewayFailed(f"{what} is not up after {READY_SECONDS} s:\n" + "\n".join(logs))
            time.sleep(0.1)

    def _key(self, keyring: pathlib.Path, name: str, mon: str, *more: str) -> None:
        self.run("ceph-authtool", keyring, "--gen-key", "-n", name, "--cap", "mon", mon, *more)

    def _run(self, *command: object) -> subprocess.CompletedProcess:
        program, *arguments = map(str, command)
        return subprocess.run(
            [self._program(program), *arguments], env=self._environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=READY_SECONDS, check=False,
        )

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=self._environment["PATH"])
        if found is None:
            raise GatewayFailed(f"there is no {name}; Debian has it in radosgw, ceph-mon, ceph-osd or ceph-common")
        return found
