"""Searches everything a process can read for texts that it must not find. Prints what it found, and how much it saw.

The texts come hex-encoded and reversed, so that neither this program's arguments nor its environment hold them. Its
own memory is left out: it holds what it looks for. A file whose status changed before `since` cannot hold a text that
was made later, so it is looked at and not read.
"""

import json
import os
import re
import socket
import stat
import sys

SAID = json.loads(bytes.fromhex(sys.argv[1]))
NEEDLES = {name: bytes.fromhex(text)[::-1] for name, text in SAID["needles"].items()}
OWN, PIECE, ANSWER_BYTES = os.getpid(), 1 << 20, 1 << 16
found, seen = [], {"files": 0, "read": 0, "mappings": 0, "answers": 0}
processes, doors, abstract, reached = [], [], [], []


def look(where, data):
    for name, needle in NEEDLES.items():
        if needle in data:
            found.append([name, where])


def look_through(where, read):
    overlap, before = max(map(len, NEEDLES.values())), b""
    while True:
        try:
            piece = read(PIECE)
        except OSError:
            return
        if not piece:
            return
        look(where, before + piece)
        before = piece[-overlap:]


def file(path):
    try:
        status = os.lstat(path)
    except OSError:
        return
    seen["files"] += 1
    if stat.S_ISSOCK(status.st_mode):
        unix(path, path)
    if not stat.S_ISREG(status.st_mode) or status.st_ctime < SAID["since"]:
        return
    try:
        with open(path, "rb", buffering=0) as opened:
            seen["read"] += 1
            look_through(path, opened.read)
    except OSError:
        pass


def files(top):
    for directory, names, leaves in os.walk(top):
        look(directory, os.fsencode(directory))
        if directory == "/":
            names[:] = [name for name in names if name not in ("proc", "sys")]
        for leaf in leaves:
            file(os.path.join(directory, leaf))


def process(number):
    at = f"/proc/{number}"
    for name in ("environ", "cmdline", "maps", "status", "mountinfo", "comm"):
        try:
            with open(f"{at}/{name}", "rb", buffering=0) as opened:
                look_through(f"{at}/{name}", opened.read)
        except OSError:
            pass
    for descriptor in listed(f"{at}/fd"):
        behind(f"{at}/fd/{descriptor}", is_read=number != OWN or int(descriptor) > 2)
    if number != OWN:
        for name in ("root", "cwd"):
            look(f"{at}/{name}", "\n".join(listed(f"{at}/{name}")).encode())
        memory(at)


def listed(directory):
    try:
        return os.listdir(directory)
    except OSError:
        return []


def behind(link, is_read):
    try:
        look(link, os.fsencode(os.readlink(link)))
        if is_read and stat.S_ISREG(os.stat(link).st_mode):
            with open(link, "rb", buffering=0) as opened:
                look_through(link, opened.read)
    except OSError:
        pass


def memory(at):
    try:
        with open(f"{at}/maps") as maps, open(f"{at}/mem", "rb", buffering=0) as opened:
            for line in maps:
                begin, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
                begin, end = int(begin, 16), int(end, 16)
                if "r" in rights and begin < 1 << 63:
                    seen["mappings"] += 1
                    opened.seek(begin)
                    left = [end - begin]

                    def read(size, left=left):
                        piece = opened.read(min(size, left[0])) if left[0] else b""
                        left[0] -= len(piece)
                        return piece

                    look_through(f"{at}/mem", read)
    except OSError:
        pass


def heard(connection, where, said):
    connection.settimeout(5)
    try:
        connection.sendall(said)
        look_through(where, lambda size: connection.recv(min(size, ANSWER_BYTES)))
        seen["answers"] += 1
    except OSError:
        pass


def http(target, host="localhost"):
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def questions():
    """What a socket is asked: for a token, for the proxy's way to the upstream, and for a JWT-SVID by gRPC."""
    audience = SAID["audience"]
    yield http(f"/v1/token?audience={audience}")
    yield http(SAID["upstream"], SAID["upstream"].split("/")[2])
    yield http("http://elsewhere.test/", "elsewhere.test")
    yield workload_api(audience)


def workload_api(audience):
    """`FetchJWTSVID` in five frames of HTTP/2 with literal headers."""

    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def field(name, value):
        return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value

    headers = b"".join(field(*pair) for pair in (
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/SpiffeWorkloadAPI/FetchJWTSVID"),
        (b":authority", b"localhost"), (b"content-type", b"application/grpc"), (b"te", b"trailers"),
        (b"workload.spiffe.io", b"true"),
    ))
    message = b"\x0a" + bytes([len(audience)]) + audience.encode()
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, headers) + frame(
        0, 1, 1, b"\0" + len(message).to_bytes(4, "big") + message)


def unix(address, where):
    for said in questions():
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.settimeout(5)
                connection.connect(address)
            except OSError:
                return
            heard(connection, where, said)


def abstract_sockets():
    with open("/proc/net/unix") as table:
        for line in table.readlines()[1:]:
            name = line.rstrip("\n").split(" ")[-1]
            if name.startswith("@") and name not in abstract:
                abstract.append(name)
                unix("\0" + name[1:], name)
    for name in SAID["abstract"]:
        unix("\0" + name, f"@{name}")


def tcp(host, port, within=5):
    try:
        connection = socket.create_connection((host, port), within)
    except OSError:
        return False
    # A port that nobody listens at may be given to the connection itself, which then meets itself.
    is_own = connection.getsockname() == connection.getpeername()
    connection.close()
    if is_own:
        return False
    for said in questions():
        try:
            with socket.create_connection((host, port), within) as connection:
                heard(connection, f"{host}:{port}", said)
        except OSError:
            pass
    return True


look("the environment", json.dumps(dict(os.environ)).encode())
for number in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
    if SAID["only_process"] in (None, number):
        processes.append(number)
        process(number)
if SAID["only_process"] is None:
    files("/")
    abstract_sockets()
    for port in range(1, 1 << 16) if SAID["every_port"] else ():
        for host in ("127.0.0.1", "::1"):
            if tcp(host, port):
                doors.append(f"{host}:{port}")
    for host, port in SAID["addresses"]:
        if tcp(host, port, 1):
            reached.append(f"{host}:{port}")
print(json.dumps({
    "found": found, "seen": seen, "processes": len(processes), "doors": doors, "abstract": abstract,
    "reached": reached, "environment": sorted(os.environ), "user": os.getuid(),
}))
