"""What every verifier does, and how it refuses."""

from dataclasses import dataclass
from typing import Protocol

# What relying parties commonly grant for clocks that differ.
LEEWAY_SECONDS = 60


class Refused(Exception):
    """The library refused the token or the keys. Any other exception is a defect of the suite."""


@dataclass(frozen=True)
class Expected:
    """What a relying party is configured with, and its clock."""

    issuer: str
    audience: str
    # Seconds since 1970: a number the caller chooses, so that expiry needs no waiting.
    now: int
    # Where discovery is read: the issuer itself, unless a mirror stands in for it.
    discover_at: str

    def __post_init__(self):
        if not isinstance(self.now, int):
            raise TypeError("now is whole seconds")


class Verify(Protocol):
    """Gives the claims of a token that is good in every respect."""

    def __call__(self, token: str, expected: Expected) -> dict: ...
