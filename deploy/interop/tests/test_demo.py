"""The demo of token grants, as `make demo` runs it: the two daemons, an issuer, two services and curl, all real."""

import os
import pathlib
import subprocess

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"
# It takes a few seconds on idle cores.
DEMO_SECONDS = 240


def test_it_prints_what_its_page_says_and_leaves_nothing():
    before = _left()
    ended = subprocess.run(
        [DEMO / "run.sh", pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve()],
        capture_output=True, text=True, timeout=DEMO_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == _promised(), ended.stderr
    assert _left() <= before


def _promised() -> str:
    """The block of the page that is no command."""
    _, _, promised, _ = (DEMO / "README.md").read_text().split("\n```\n", 3)
    return promised + "\n"


def _left() -> set[pathlib.Path]:
    return set(pathlib.Path("/tmp").glob("moneyer-demo.*"))
