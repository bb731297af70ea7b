"""Serves a stub or a model of a relying party: on a port of its own, until it is no longer needed."""

import http.server
import json
import pathlib
import ssl
import threading
from contextlib import contextmanager

from . import authority

# How long an end of it takes. The default of half a second would be most of the time of many a test.
STOP_POLL_SECONDS = 0.02


class JsonHandler(http.server.BaseHTTPRequestHandler):
    """Answers with JSON and writes no log."""

    def answer(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], expected: object,
            certificate: pathlib.Path | None = None, host: str = "127.0.0.1"):
    """Gives the address and the list of what was answered; the handler finds both at its server.

    With a certificate and its key in one file it speaks https.
    """
    server = http.server.ThreadingHTTPServer((host, 0), handler)
    server.daemon_threads = True
    server.expected = expected
    server.answers = []
    server.address = f"http://{host}:{server.server_port}"
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        name = authority.HOST if host == authority.ADDRESS else host
        server.address = f"https://{name}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=[STOP_POLL_SECONDS])
    thread.start()
    try:
        yield server.address, server.answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
