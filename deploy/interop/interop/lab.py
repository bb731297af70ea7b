"""A private network: loopback alone, with every port free, for what insists on port 80.

Whatever is started inside stays inside. Only the calling thread enters, with the threads and processes
that it starts afterwards; it comes back on the way out. Needs root. Where that cannot be had,
`MONEYER_TEST_NO_MOUNT=1` leaves out the tests that need one, and they say so.
"""

import ctypes
import fcntl
import os
import socket
import struct
from contextlib import contextmanager

import pytest

CLONE_NEWNET = 0x40000000  # sched.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h
LEFT_OUT = "MONEYER_TEST_NO_MOUNT"

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def private_network(what: str):
    """Enters a network of its own."""
    if os.environ.get(LEFT_OUT) == "1":
        pytest.skip(f"{LEFT_OUT}=1: {what} is NOT tried")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.unshare(CLONE_NEWNET) != 0:
            reason = os.strerror(ctypes.get_errno())
            pytest.fail(
                f"{what} cannot be tried: no private network could be made ({reason}). Run this as root "
                f"with CAP_SYS_ADMIN, or leave these tests out with {LEFT_OUT}=1"
            )
        try:
            _raise_loopback()
            yield
        finally:
            if _libc.setns(before, CLONE_NEWNET) != 0:
                pytest.exit("the tests cannot come back out of their private network", returncode=2)
    finally:
        os.close(before)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
