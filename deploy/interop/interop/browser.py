"""Chromium without a window, driven by the DevTools protocol over a pair of pipes.

`--remote-debugging-pipe` reads commands from descriptor 3 and writes answers and events to descriptor 4, each
a JSON object that ends with a zero byte: no port, no library, and nobody else on the machine can drive it.
"""

import base64
import fcntl
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress

from . import child

# A first start unpacks its profile on a busy machine well within this.
ANSWER_SECONDS = 60
# Above what a shell redirects, so that one is not overwritten by the other.
FIRST_DESCRIPTOR = 10
STOP_SECONDS = 15
# No letter is blurred at it.
PICTURE_QUALITY = 85


class BrowserFailed(Exception):
    """It does not answer, or refuses a command."""


class Browser:
    """One page, and what went wrong on it."""

    def __init__(self, to, answers):
        self._to = to
        self._answers = answers
        self._held = b""
        self._number = 0
        self._session = None
        # What the browser has to complain of: errors, refused loads, violations of the page's own policy.
        self.complaints = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Runtime", "Network"):
            self._ask(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Opens an address and waits until all of it is there."""
        self._loaded = False
        self._ask("Page.navigate", url=url)
        self._until(lambda: self._loaded)

    def evaluate(self, expression: str):
        """The value of a script, as the developer's console has it: the page's policy does not bind it."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserFailed(answer["exceptionDetails"])
        return answer["result"].get("value")

    def resize(self, width: int, height: int) -> None:
        """Gives the page this much room, in pixels."""
        self._ask("Emulation.setDeviceMetricsOverride",
                  width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, *, scheme: str = "light", media: str = "screen") -> None:
        """A dark or light scheme, a screen or paper."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._ask("Emulation.setEmulatedMedia", media=media, features=features)

    def picture(self) -> bytes:
        """The whole page as WebP, which is a third of a PNG."""
        answer = self._ask("Page.captureScreenshot", format="webp", quality=PICTURE_QUALITY,
                           captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def outline(self) -> list[tuple[str, str]]:
        """Roles and names, as a screen reader is told them."""
        nodes = self._ask("Accessibility.getFullAXTree")["nodes"]
        said = [node for node in nodes if not node["ignored"] and "name" in node]
        return [(node["role"]["value"], node["name"]["value"]) for node in said]

    def _ask(self, method: str, **parameters) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        self._answer = None
        self._until(lambda: self._answer is not None)
        if "error" in self._answer:
            raise BrowserFailed(f"{method}: {self._answer['error']}")
        return self._answer["result"]

    def _until(self, is_so) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        while not is_so():
            self._take(self._read(deadline))

    def _read(self, deadline: float) -> dict:
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self._answers, 1 << 16) if ready else b""
            if not more:
                raise BrowserFailed("the browser went away" if ready else "the browser does not answer")
            self._held += more
        message, self._held = self._held.split(b"\0", 1)
        return json.loads(message)

    def _take(self, message: dict) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if message.get("id") == self._number:
            self._answer = message
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"]["text"])
        elif method == "Network.loadingFailed":
            self.complaints.append(parameters["errorText"])


@contextmanager
def running():
    """Starts a browser with a profile of its own, and ends it."""
    # What the browser leaves behind may write to its profile for a moment after it has ended.
    with tempfile.TemporaryDirectory(
        prefix="moneyer-browser-", ignore_cleanup_errors=True
    ) as profile:
        commands, to = map(_lifted, os.pipe())
        answers, out = map(_lifted, os.pipe())
        # No sandbox: it needs rights that a container lacks, and only our own page is opened.
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{out}', "chromium",
             "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-pipe",
             f"--user-data-dir={profile}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(commands, out), env={"PATH": os.environ["PATH"], "HOME": profile},
            start_new_session=True,
        )
        os.close(commands)
        os.close(out)
        try:
            with os.fdopen(to, "wb") as writer:
                yield Browser(writer, answers)
        finally:
            os.close(answers)
            child.stop(process, STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _lifted(descriptor: int) -> int:
    """The same under a number that the shell does not redirect."""
    above = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
    os.close(descriptor)
    return above
