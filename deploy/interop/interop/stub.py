"""Serves a stub of a relying party: on a port of its own, until it is no longer needed."""

import http.server
import threading
from contextlib import contextmanager

from .verifiers import Expected


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], expected: Expected):
    """Gives the address and the list of what was answered; the handler finds both at its server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.expected = expected
    server.answers = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
