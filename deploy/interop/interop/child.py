"""The end of a child process."""

import subprocess


def stop(process: subprocess.Popen, seconds: float) -> None:
    """Asks it to end, and ends it where it does not in this time."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
