"""systemd units, judged by systemd without one running: a root directory with the units and the programs they start."""

import pathlib
import shutil
import subprocess

JUDGE_SECONDS = 60
UNITS = "etc/systemd/system"


def rooted(root: pathlib.Path, source: pathlib.Path) -> None:
    """Puts the units of `source` and something to be started where a machine has them."""
    (root / UNITS).mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    for unit in source.glob("*.service"):
        shutil.copy(unit, root / UNITS)
    for program in ("moneyer", "moneyer-runner-proxy"):
        # Looked for and not run; a link would be followed within the root.
        (root / "usr/bin" / program).touch(mode=0o755)


def verify(root: pathlib.Path, unit: str) -> subprocess.CompletedProcess:
    """Whether systemd takes it as it is, unknown keys included. What it needs of the system is not there to be seen."""
    return _analyze(root, "verify", "--man=no", "--recursive-errors=no", root / UNITS / unit)


def exposure(root: pathlib.Path, unit: str, tenths: int) -> subprocess.CompletedProcess:
    """Fails where the exposure is higher than this many tenths."""
    threshold = f"--threshold={tenths}"
    return _analyze(root, "security", "--offline=true", threshold, root / UNITS / unit)


def _analyze(root: pathlib.Path, act: str, *arguments) -> subprocess.CompletedProcess:
    command = ["systemd-analyze", act, "--no-pager", f"--root={root}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=JUDGE_SECONDS)
