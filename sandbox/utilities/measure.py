"""The measurements behind gpcheckperf, run on one host: disk, memory, and one end of a network transfer.

Faults ``slow-disk.<host>``, ``slow-memory.<host>`` and ``slow-network.<host>`` hold the MB a second which that host may
reach: it waits as a slower one would, so that the figures stay measured ones.

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
FAULTS = Path("/run/sandbox/faults")


class Pace:
    """Makes this host no faster than its fault says; without one it does nothing."""

    def __init__(self, kind: str) -> None:
        try:
            self.rate = float((FAULTS / f"slow-{kind}.{socket.gethostname()}").read_text())  # MB a second
        except FileNotFoundError:
            self.rate = 0.0
        self.start = time.monotonic()

    def keep(self, done: float) -> None:
        """Wait until `done` bytes may have been moved."""
        if self.rate:
            time.sleep(max(0.0, self.start + done / BLOCK / self.rate - time.monotonic()))


def disk_write(path: str, size: int) -> float:
    """Seconds to write and sync a file."""
    block = bytes(BLOCK)
    pace = Pace("disk")
    start = time.monotonic()
    with Path(path).open("wb", buffering=0) as out:
        for number in range(max(1, size // BLOCK)):
            out.write(block)
            pace.keep((number + 1) * BLOCK)
        os.fsync(out.fileno())
    return time.monotonic() - start


def disk_read(path: str) -> float:
    """Seconds to read it again, from the page cache if it is still there, as with the real utility's default sizes."""
    pace = Pace("disk")
    done = 0
    start = time.monotonic()
    with Path(path).open("rb", buffering=0) as source:
        while data := source.read(BLOCK):
            done += len(data)
            pace.keep(done)
    return time.monotonic() - start


def stream() -> float:
    """Memory copied in a second, MB/s, both directions counted."""
    source, target = bytearray(STREAM_BYTES), bytearray(STREAM_BYTES)
    pace = Pace("memory")
    start = time.monotonic()
    for number in range(4):
        target[:] = source
        pace.keep((number + 1) * 2 * STREAM_BYTES)
    return 4 * 2 * STREAM_BYTES / BLOCK / (time.monotonic() - start)


def listen(seconds: float) -> float:
    """Print a port, take one connection, swallow what comes; MB/s received."""
    with socket.create_server(("", 0)) as server:
        print(server.getsockname()[1], flush=True)
        server.settimeout(seconds + 30)
        connection, _ = server.accept()
        received, start = 0, time.monotonic()
        pace = Pace("network")
        with connection:
            while data := connection.recv(BLOCK):
                received += len(data)
                pace.keep(received)
        return received / BLOCK / max(time.monotonic() - start, 1e-6)


def send(host: str, port: int, seconds: float) -> float:
    """Send for so long; MB/s sent."""
    block, sent = bytes(BLOCK), 0
    with socket.create_connection((host, port), timeout=30) as connection:
        start = time.monotonic()
        pace = Pace("network")
        while time.monotonic() - start < seconds:
            connection.sendall(block)
            sent += len(block)
            pace.keep(sent)
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
