"""The input file of gpexpand: ``hostname|address|port|datadir|dbid|content|preferred_role``, and all its checks.

The checks and their order are gppylib's (parseutils, gparray 6.24.3). Not checked, there as here: hosts reachable,
ports free, directories writable, mirror and primary on different hosts, no blank in a directory.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..errors import ExpansionError
from ..segments import Array, Segment

FIELDS = 7


def read(path: str, array: Array) -> list[Segment]:
    """New segments from a file, checked against the cluster; primaries with mode 'n' when they are to get mirrors.

    :raises ExpansionError: with the text that gpexpand prints after "gpexpand failed: "
    """
    if not Path(path).exists():
        raise ExpansionError(f"Input file {path} not found")
    segments = parse(Path(path).read_text(encoding="utf-8", errors="surrogateescape"), path)
    validate(array, segments)
    return segments


def parse(text: str, path: str) -> list[Segment]:
    """Rows of the file. Blank lines and those that begin with '#' are skipped; a blank after the role is accepted."""
    segments = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            segments.append(_row(line, number))
        except ExpansionError as problem:
            raise ExpansionError(f"Invalid input file on line {number} of file {path}: {problem}") from None
    return segments


def _row(line: str, number: int) -> Segment:
    parts = _split(line)
    if len(parts) != FIELDS:
        raise ExpansionError(f"expected {FIELDS} parts, obtained {len(parts)}")
    hostname, address, port, datadir, dbid, content, role = parts
    for name, value in (("hostname", hostname), ("address", address), ("datadir", datadir)):
        if not value:
            raise ExpansionError(f"Invalid {name} on line {number}")
    role = role.strip()
    if role not in ("p", "m"):
        raise ExpansionError(f"Invalid role on line {number}")
    return Segment(
        dbid=_number(dbid, "dbid", 1, number),
        content=_number(content, "contentid", -1, number),
        role=role,
        preferred_role=role,
        mode="s" if role == "m" else "n",
        status="d" if role == "m" else "u",
        port=_number(port, "port", 0, number),
        hostname=hostname,
        address=address,
        datadir=datadir,
    )


def _split(line: str) -> list[str]:
    """Fields between '|'; an IPv6 address may stand in brackets."""
    return [part[1:-1] if part.startswith("[") and part.endswith("]") else part for part in line.split("|")]


def _number(text: str, name: str, least: int, line: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ExpansionError(f"Invalid {name} on line {line}")
    return value


def validate(array: Array, new: list[Segment]) -> None:
    """All rules over the whole array, in the order in which gppylib finds them.

    :raises ExpansionError: the first rule broken
    """
    last_content = max(s.content for s in array.segments)
    by_content: dict[int, dict[str, Segment]] = {}
    for segment in new:
        if segment.content <= last_content:
            raise ExpansionError("Invalid content ID for expansion segment")
        pair = by_content.setdefault(segment.content, {})
        if segment.role == "p" and "p" in pair:
            raise ExpansionError("Invalid input file: Duplicate content id for primary segment")
        pair[segment.role] = segment  # a second mirror silently replaces the first one
    if not new:
        raise ExpansionError("Invalid input file: No expansion segments defined")
    _check_mirrors(array, by_content)
    if sorted(by_content) != list(range(last_content + 1, last_content + 1 + len(by_content))):
        raise ExpansionError("Invalid input file: Expansion segments do not have contiguous content ids.")
    _check_dbids(array, new)
    _check_hosts(array, new)


def _check_mirrors(array: Array, by_content: dict[int, dict[str, Segment]]) -> None:
    for pair in by_content.values():
        if "p" not in pair:
            raise ExpansionError("Invalid input file: Expansion segment has no primary")
        if array.mirrored and "m" not in pair:
            raise ExpansionError("Invalid input file: Expansion segment has no mirror but mirroring is enabled.")
        if not array.mirrored and "m" in pair:
            raise ExpansionError(
                "Invalid input file: Expansion segment has a mirror segment defined but mirroring is not enabled."
            )


def _check_dbids(array: Array, new: list[Segment]) -> None:
    first = max(s.dbid for s in array.segments) + 1
    if sorted(s.dbid for s in new) != list(range(first, first + len(new))):
        raise ExpansionError("Invalid input file: Expansion segments have incorrect dbids")


def _check_hosts(array: Array, new: list[Segment]) -> None:
    """Directory and port once per host name (not per address), coordinator and standby included."""
    everything = [*array.segments, *new]
    for host in dict.fromkeys(s.hostname for s in everything):
        directories = Counter(s.datadir for s in everything if s.hostname == host)
        ports = Counter(s.port for s in everything if s.hostname == host)
        directory, times = directories.most_common(1)[0]
        port, port_times = ports.most_common(1)[0]
        if times > 1:
            raise ExpansionError(f"Invalid input file: Data directory {directory} used multiple times on host {host}")
        if port_times > 1:
            raise ExpansionError(f"Invalid input file: Port {port} is used multiple times on host {host}")


def new_hosts(array: Array, new: list[Segment]) -> list[str]:
    """Host names of new segments that the cluster did not have, sorted as gpexpand visits them."""
    known = {s.hostname for s in array.segments}
    return sorted({s.hostname for s in new} - known, reverse=True)
