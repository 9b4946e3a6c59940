"""Where new segments go: the interview's rules for content, dbid, port, directory and mirror.

Source: gparray 6.24.3; evidence: recordings 20b (two hosts), 20g (one more primary a host), 74d (a second expansion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from ..errors import ExpansionError
from ..segments import Array, Segment


def place(
    array: Array, hosts: Sequence[str], strategy: str, extra_primaries: Sequence[str], extra_mirrors: Sequence[str]
) -> list[Segment]:
    """All new segments in the order of the input file: by content, each primary followed by its mirror.

    :param hosts: hosts that are not in the array yet
    :param strategy: ``grouped`` or ``spread``
    :param extra_primaries: parent directories of primaries to add on every host, old and new
    :param extra_mirrors: the same for their mirrors
    """
    prefix = PurePosixPath(array.coordinator.datadir).name.rsplit("-", 1)[0]
    template = array.segment_instances[0].hostname
    primaries = [s for s in array.segment_instances if s.preferred_role == "p" and s.hostname == template]
    mirrors = [s for s in array.segment_instances if s.preferred_role == "m" and s.hostname == template]
    if strategy == "spread" and array.mirrored and hosts and len(hosts) <= len(primaries):
        raise ExpansionError(
            "Not enough hosts for spread mirroring.  You must have more hosts than primary segments per host"
        )
    rows = _round(
        array.segments, hosts, [_parent(s) for s in primaries], [_parent(s) for s in mirrors], prefix, strategy
    )
    if extra_primaries:
        everyone = sorted({*array.hosts, *hosts})
        rows += _round((*array.segments, *rows), everyone, extra_primaries, extra_mirrors, prefix, strategy, 2)
    return rows


def _parent(segment: Segment) -> str:
    return str(PurePosixPath(segment.datadir).parent)


def _round(
    existing: Sequence[Segment],
    hosts: Sequence[str],
    primary_directories: Sequence[str],
    mirror_directories: Sequence[str],
    prefix: str,
    strategy: str,
    first_step: int = 1,
) -> list[Segment]:
    """One primary a directory on each host, with mirrors; primaries take their dbids before all mirrors.

    :param first_step: spread mirrors of the existing hosts' further primaries begin on the second host on
    """
    content = max(s.content for s in existing) + 1
    ports = _Ports(existing)
    primaries: list[Segment] = []
    mirrors: list[Segment] = []
    for place, host in enumerate(hosts):
        for index, directory in enumerate(primary_directories):
            primaries.append(_segment(host, ports.take(host, "p"), f"{directory}/{prefix}{content}", content, "p"))
            if mirror_directories:
                step = 1 if strategy == "grouped" else index + first_step
                step += step >= len(hosts)  # not on the primary's own host
                other = hosts[(place + step) % len(hosts)]
                directory = mirror_directories[index]
                mirrors.append(_segment(other, ports.take(other, "m"), f"{directory}/{prefix}{content}", content, "m"))
            content += 1
    dbid = max(s.dbid for s in existing) + 1
    numbered: dict[tuple[int, str], int] = {}
    for segment in [*primaries, *sorted(mirrors, key=lambda s: s.hostname)]:
        numbered[segment.content, segment.role] = dbid
        dbid += 1
    rows = sorted([*primaries, *mirrors], key=lambda s: (s.content, s.role == "m"))
    return [replace(s, dbid=numbered[s.content, s.role]) for s in rows]


def _segment(host: str, port: int, datadir: str, content: int, role: str) -> Segment:
    return Segment(0, content, role, role, "s" if role == "m" else "n", "u", port, host, host, datadir)


class _Ports:
    """Ports per host and role: the lowest one of the cluster, then one more than the host's highest."""

    def __init__(self, existing: Sequence[Segment]) -> None:
        self.base: dict[str, int] = {}
        self.highest: dict[tuple[str, str], int] = {}
        for segment in existing:
            if segment.content >= 0:
                role, key = segment.preferred_role, (segment.hostname, segment.preferred_role)
                self.base[role] = min(segment.port, self.base.get(role, segment.port))
                self.highest[key] = max(segment.port, self.highest.get(key, 0))

    def take(self, host: str, role: str) -> int:
        """The next port on a host."""
        port = self.highest.get((host, role), self.base[role] - 1) + 1
        self.highest[host, role] = port
        return port


def as_line(segment: Segment) -> str:
    """A row of the input file."""
    return (
        f"{segment.hostname}|{segment.address}|{segment.port}|{segment.datadir}"
        f"|{segment.dbid}|{segment.content}|{segment.preferred_role}"
    )
