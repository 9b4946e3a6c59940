"""PostgreSQL's wire protocol, version 3, as far as the proxy must read and write it. Pure.

Source: https://www.postgresql.org/docs/15/protocol-message-formats.html
"""

from __future__ import annotations

import struct

PROTOCOL_3 = 196608
CANCEL = 80877102
SSL = 80877103
GSSENC = 80877104

_INT = struct.Struct("!i")


def message(kind: bytes, body: bytes) -> bytes:
    """One message: type, length of the rest, body."""
    return kind + _INT.pack(len(body) + 4) + body


def startup(parameters: dict[str, str]) -> bytes:
    """The first message of a session."""
    body = (
        _INT.pack(PROTOCOL_3) + b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in parameters.items()) + b"\0"
    )
    return _INT.pack(len(body) + 4) + body


def read_startup(body: bytes) -> dict[str, str]:
    """Parameters of a startup message without its length and version."""
    parts = body.split(b"\0")
    return {
        parts[i].decode(errors="surrogateescape"): parts[i + 1].decode()
        for i in range(0, len(parts) - 1, 2)
        if parts[i]
    }


def integer(data: bytes | bytearray, offset: int = 0) -> int:
    """Four bytes at `offset`, signed, network order."""
    return int(_INT.unpack_from(data, offset)[0])


def error(severity: str, sqlstate: str, text: str) -> bytes:
    """An ErrorResponse."""
    fields = (("S", severity), ("V", severity), ("C", sqlstate), ("M", text))
    return message(b"E", b"".join(k.encode() + v.encode() + b"\0" for k, v in fields) + b"\0")


def read_fields(body: bytes) -> list[tuple[bytes, bytes]]:
    """Fields of an ErrorResponse or NoticeResponse."""
    return [(part[:1], part[1:]) for part in body.split(b"\0") if part]


def write_fields(kind: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    """The reverse of `read_fields`."""
    return message(kind, b"".join(k + v + b"\0" for k, v in fields) + b"\0")
