"""go-spiffe, by the program that `go_spiffe/build.sh` makes."""

import json
import os
import pathlib
import queue
import subprocess
import threading
from collections.abc import Mapping
from contextlib import contextmanager

from . import child

# Whatever it is asked to do takes well under a second on an idle machine.
ANSWER_SECONDS = 20
STOP_SECONDS = 5


class Refused(Exception):
    """go-spiffe refused, in its own words."""


class NothingSaid(Exception):
    """It was to say something, and did not in time."""


def program() -> pathlib.Path:
    return pathlib.Path(os.environ["MONEYER_GO_SPIFFE"])


def ask(environment: Mapping[str, str], *arguments: object) -> dict:
    """What a command says that comes to an end."""
    ended = subprocess.run(
        [program(), *map(str, arguments)], env=dict(environment), capture_output=True, text=True, timeout=ANSWER_SECONDS
    )
    if ended.returncode == 1:
        raise Refused(ended.stderr.strip())
    ended.check_returncode()
    return json.loads(ended.stdout)


class Running:
    """A command that goes on: what it says, one after the other."""

    def __init__(self, process: subprocess.Popen):
        self._process, self._said = process, queue.Queue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def next(self, seconds: float = ANSWER_SECONDS) -> dict:
        try:
            return self._said.get(timeout=seconds)
        except queue.Empty:
            raise NothingSaid(f"exit {self._process.poll()}") from None

    def wait_for(self, wanted) -> dict:
        """The first that is as wanted; what is said before is passed over."""
        while not wanted(said := self.next()):
            pass
        return said

    def go_on(self) -> None:
        """Has it do the next thing."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        child.stop(self._process, STOP_SECONDS)
        self._thread.join()
        self._process.stdin.close()
        self._process.stdout.close()


@contextmanager
def running(environment: Mapping[str, str], *arguments: object):
    process = subprocess.Popen(
        [program(), *map(str, arguments)], env=dict(environment), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    started = Running(process)
    try:
        yield started
    finally:
        started.end()
