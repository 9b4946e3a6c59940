"""The measurements behind gpcheckperf, run on one host: disk, memory, and one end of a network transfer.

``python -m sandbox.utilities.measure`` with ``disk-write FILE BYTES``, ``disk-read FILE``, ``stream``,
``listen SECONDS`` or ``send HOST PORT SECONDS`` prints one number: seconds for the disk, MB/s for the others;
``listen`` prints its port first.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

BLOCK = 1024 * 1024
STREAM_BYTES = 64 * BLOCK


def disk_write(path: str, size: int) -> float:
    """Seconds to write and sync a file."""
    block = bytes(BLOCK)
    start = time.monotonic()
    with Path(path).open("wb", buffering=0) as out:
        for _ in range(max(1, size // BLOCK)):
            out.write(block)
        os.fsync(out.fileno())
    return time.monotonic() - start


def disk_read(path: str) -> float:
    """Seconds to read it again, from the page cache if it is still there, as with the real utility's default sizes."""
    start = time.monotonic()
    with Path(path).open("rb", buffering=0) as source:
        while source.read(BLOCK):
            pass
    return time.monotonic() - start


def stream() -> float:
    """Memory copied in a second, MB/s, both directions counted."""
    source, target = bytearray(STREAM_BYTES), bytearray(STREAM_BYTES)
    start = time.monotonic()
    for _ in range(4):
        target[:] = source
    return 4 * 2 * STREAM_BYTES / BLOCK / (time.monotonic() - start)


def listen(seconds: float) -> float:
    """Print a port, take one connection, swallow what comes; MB/s received."""
    with socket.create_server(("", 0)) as server:
        print(server.getsockname()[1], flush=True)
        server.settimeout(seconds + 30)
        connection, _ = server.accept()
        received, start = 0, time.monotonic()
        with connection:
            while data := connection.recv(BLOCK):
                received += len(data)
        return received / BLOCK / max(time.monotonic() - start, 1e-6)


def send(host: str, port: int, seconds: float) -> float:
    """Send for so long; MB/s sent."""
    block, sent = bytes(BLOCK), 0
    with socket.create_connection((host, port), timeout=30) as connection:
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            connection.sendall(block)
            sent += len(block)
        return sent / BLOCK / (time.monotonic() - start)


def main() -> int:
    """Dispatch."""
    kind, *arguments = sys.argv[1:]
    if kind == "disk-write":
        value = disk_write(arguments[0], int(arguments[1]))
    elif kind == "disk-read":
        value = disk_read(arguments[0])
    elif kind == "stream":
        value = stream()
    elif kind == "listen":
        value = listen(float(arguments[0]))
    elif kind == "send":
        value = send(arguments[0], int(arguments[1]), float(arguments[2]))
    else:
        raise SystemExit(f"unknown measurement {kind!r}")
    print(f"{value:.6f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
