"""Reading the public documents the way a relying party does: from the issuer URL alone."""

import json
import urllib.request

DISCOVERY_PATH = "/.well-known/openid-configuration"
# AWS gives up at about this time.
ANSWER_SECONDS = 5


class DiscoveryRefused(Exception):
    """The document speaks for another issuer (OpenID Connect Discovery 1.0 section 4.3)."""


def fetch(url: str) -> dict:
    """A JSON document."""
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as response:
        return json.load(response)


def discover(issuer: str, at: str) -> str:
    """Where the issuer says its key set is, in the document that is read at an address."""
    metadata = fetch(at + DISCOVERY_PATH)
    if metadata["issuer"] != issuer:
        raise DiscoveryRefused(metadata["issuer"])
    return metadata["jwks_uri"]
