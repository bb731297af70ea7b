"""Proxies that verify tokens before anything behind them sees a request: Envoy, HAProxy and Apache with two
modules. Each is the program that people run, configured by a template of this folder."""

import os
import pathlib
import shutil
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from . import authority, child, documents

TEMPLATES = pathlib.Path(__file__).parent.parent / "templates"
APACHE_MODULES = "/usr/lib/apache2/modules"
ENVOY = (
    str(pathlib.Path(sys.prefix) / "bin" / "envoy"), "--concurrency", "1", "--use-dynamic-base-id",
    "--log-level", "warning", "-c",
)
READY_SECONDS = 30
STOP_SECONDS = 15
ANSWER_SECONDS = 10
# What an issuer might be called that is not ours.
ELSEWHERE = "https://elsewhere.example"


class ProxyFailed(Exception):
    """A proxy did not come up."""


@dataclass(frozen=True)
class Proxy:
    """Where a proxy expects our tokens. Under `/elsewhere` it expects another issuer's."""

    url: str

    def status(self, token: str | None, path: str = "") -> int:
        """What it answers to a request with this bearer token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{self.url}{path}/", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code


@contextmanager
def running(issuer: str, audience: str, pem: str):
    """Starts all of them; gives each by its name."""
    with tempfile.TemporaryDirectory(prefix="proxies-") as directory, ExitStack() as daemons:
        place = pathlib.Path(directory)
        # Apache's workers are another user, if it was started by root.
        place.chmod(0o755)
        (place / "key.pem").write_text(pem)
        _make_pages(place / "www")
        jwks_uri, tls_port = documents.discover(issuer, issuer), free_port()
        served = authority.make(place)
        known = {
            "issuer": issuer, "issuer_port": urllib.parse.urlsplit(issuer).port,
            "tls_port": tls_port, "server": served.server, "authority": served.authority,
            "tls_jwks_uri": jwks_uri.replace(issuer, f"https://{authority.HOST}:{tls_port}"),
            "elsewhere": ELSEWHERE, "audience": audience, "pem": place / "key.pem", "place": place,
            "jwks_uri": jwks_uri, "modules": APACHE_MODULES,
        }

        def start(template: str, *command: str) -> str:
            return daemons.enter_context(daemon(place, template, known, command))

        at_envoy = start("envoy.yaml", *ENVOY)
        at_haproxy = start("haproxy.cfg", "haproxy", "-db", "-f")
        at_apache = start("apache.conf", "apache2", "-DFOREGROUND", "-f")
        yield {
            "Envoy": Proxy(at_envoy), "HAProxy": Proxy(at_haproxy),
            "mod_auth_openidc": Proxy(f"{at_apache}/openidc"),
            "mod_oauth2": Proxy(f"{at_apache}/oauth2"),
        }


def _make_pages(root: pathlib.Path) -> None:
    for module in ("openidc", "oauth2"):
        for path in (root / module, root / module / "elsewhere", root / module / "anybody"):
            path.mkdir(parents=True)
            (path / "index.html").write_text("ok\n")


@contextmanager
def daemon(place: pathlib.Path, template: str, known: dict, command: tuple[str, ...]):
    """A proxy in the foreground, with its configuration as the last argument."""
    port = free_port()
    text = string.Template((TEMPLATES / f"{template}.in").read_text())
    config = place / template
    config.write_text(text.substitute(known, port=port))
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    program = shutil.which(command[0], path=path)
    if program is None:
        raise ProxyFailed(f"there is no {command[0]}")
    log = place / f"{template}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, *command[1:], config], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, env={"PATH": path, "HOME": str(place)},
        )
    try:
        _wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop(process, STOP_SECONDS)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        if process.poll() is not None:
            raise ProxyFailed(f"it ended with {process.returncode}:\n{log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise ProxyFailed(f"it does not listen:\n{log.read_text()}") from None
            time.sleep(0.05)
