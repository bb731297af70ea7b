"""A second address for an issuer's documents, where each can be doctored on its way.

The mirror is not the issuer, so a relying party is told to discover at the mirror what the issuer
says. Undoctored, a mirror must change nothing: the suite checks that too, or a refusal would prove
nothing about the byte that was changed.
"""

import http.server
import json
import threading
from collections.abc import Callable
from contextlib import contextmanager

from . import documents


def unchanged(document: dict) -> dict:
    """The doctor who does nothing."""
    return document


@contextmanager
def serving(issuer: str, *, claim: Callable[[str], str] | None = None,
            doctor: Callable[[dict], dict] = unchanged):
    """Serves a copy of the issuer's documents and gives its address.

    `claim` makes the issuer that the copied discovery document names, from the mirror's address;
    without it, the true one. `doctor` changes the key set.
    """
    metadata = documents.fetch(issuer + documents.DISCOVERY_PATH)
    key_set = doctor(documents.fetch(metadata["jwks_uri"]))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    address = f"http://127.0.0.1:{server.server_port}"
    named = claim(address) if claim else issuer
    server.pages = {
        documents.DISCOVERY_PATH: metadata | {"issuer": named, "jwks_uri": f"{address}/keys"},
        "/keys": key_set,
    }
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = self.server.pages.get(self.path)
        body = json.dumps(page).encode()
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
