"""The identifier of a database system, as it stands in ``global/pg_control``.

The real gpexpand makes new segments from a copy of the coordinator, so they bear its identifier; here the template is
made anew by initdb, and is given it.
"""

from __future__ import annotations

import struct
from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # CRC-32C, reversed
_SIZES = range(200, 512, 4)  # bytes of ControlFileData before its checksum: 288 in PostgreSQL 15, others elsewhere


def read_system(datadir: Path) -> int:
    """The identifier: the first eight bytes."""
    (system,) = struct.unpack_from("=Q", (datadir / "global" / "pg_control").read_bytes())
    return int(system)


def write_system(datadir: Path, system: int) -> None:
    """Give a stopped server another identifier; its WAL bears the old one until pg_resetwal has run.

    :raises ValueError: the checksum is not found where it should be
    """
    path = datadir / "global" / "pg_control"
    data = bytearray(path.read_bytes())
    size = next((n for n in _SIZES if _checksum(data[:n]) == struct.unpack_from("=I", data, n)[0]), None)
    if size is None:
        raise ValueError(f"{path} has no checksum at any known place")
    struct.pack_into("=Q", data, 0, system)
    struct.pack_into("=I", data, size, _checksum(data[:size]))
    path.write_bytes(data)


def _checksum(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
