"""A TCP address that leads to a Unix socket, for programs that know TCP alone."""

import pathlib
import socket
import socketserver
import threading
from contextlib import contextmanager

from .stub import STOP_POLL_SECONDS

CHUNK = 65_536


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.socket(socket.AF_UNIX) as inner:
            inner.connect(str(self.server.leads_to))
            back = threading.Thread(target=_copy, args=[inner, self.request])
            back.start()
            _copy(self.request, inner)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Until one of them ends; then the other hears it."""
    try:
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    except OSError:
        # Whoever went first ended it for both.
        pass
    finally:
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@contextmanager
def forwarding(leads_to: pathlib.Path):
    """Gives the address."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.leads_to = leads_to
    thread = threading.Thread(target=server.serve_forever, args=[STOP_POLL_SECONDS])
    thread.start()
    try:
        yield "http://{}:{}".format(*server.server_address)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
