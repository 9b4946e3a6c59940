"""Which instances make up a cluster, as ``gp_segment_configuration`` tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

Role = Literal["p", "m"]
Mirroring = Literal["none", "grouped", "spread"]


@dataclass(frozen=True)
class Host:
    """A new segment host: the name the cluster will know, and the address it is reached by."""

    hostname: str
    address: str


@dataclass(frozen=True, order=True)
class Instance:
    """One row of ``gp_segment_configuration``: coordinator, standby, a primary or a mirror.

    `role` and `preferred_role` are 'p' or 'm'; `mode` is 's' (in sync) or 'n' (not); `status` is 'u' (up) or 'd'.
    """

    dbid: int
    content: int
    role: str
    preferred_role: str
    mode: str
    status: str
    port: int
    hostname: str
    address: str
    datadir: str

    @property
    def is_up(self) -> bool:
        return self.status == "u"

    def __str__(self) -> str:
        kind = {(-1, "p"): "coordinator", (-1, "m"): "standby"}.get((self.content, self.preferred_role))
        kind = kind or f"{'primary' if self.preferred_role == 'p' else 'mirror'} of content {self.content}"
        return f"{kind} (dbid {self.dbid}) on {self.hostname}:{self.port}"


@dataclass(frozen=True)
class Topology:
    """All instances of a cluster, ordered by dbid."""

    instances: tuple[Instance, ...]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Topology:
        """Build from rows with at least the ten columns of Greenplum 6; further ones (Cloudberry) are ignored."""
        names = Instance.__dataclass_fields__
        return cls(tuple(sorted(Instance(**{name: row[name] for name in names}) for row in rows)))

    def to_rows(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries, fit for JSON; `from_rows` reads them back."""
        return [asdict(instance) for instance in self.instances]

    @cached_property
    def coordinator(self) -> Instance:
        return next(i for i in self.instances if i.content == -1 and i.role == "p")

    @cached_property
    def standby(self) -> Instance | None:
        return next((i for i in self.instances if i.content == -1 and i.role == "m"), None)

    @cached_property
    def segments(self) -> tuple[Instance, ...]:
        """Primaries and mirrors, without coordinator and standby."""
        return tuple(i for i in self.instances if i.content >= 0)

    @cached_property
    def primaries(self) -> tuple[Instance, ...]:
        """By preferred role: where the primaries belong, even while a mirror acts for one of them."""
        return tuple(i for i in self.segments if i.preferred_role == "p")

    @cached_property
    def mirrors(self) -> tuple[Instance, ...]:
        return tuple(i for i in self.segments if i.preferred_role == "m")

    @property
    def is_mirrored(self) -> bool:
        return bool(self.mirrors)

    @property
    def segment_count(self) -> int:
        """Number of primaries: what ``numsegments`` of a fully expanded table must be."""
        return len(self.primaries)

    @cached_property
    def hostnames(self) -> frozenset[str]:
        return frozenset(i.hostname for i in self.instances)

    @cached_property
    def addresses(self) -> frozenset[str]:
        return frozenset(i.address for i in self.instances)

    @cached_property
    def segment_hosts(self) -> tuple[str, ...]:
        return tuple(sorted({i.hostname for i in self.segments}))

    @cached_property
    def primaries_per_host(self) -> int:
        """Primaries on the host that has most; hosts of a standard array all have the same number."""
        return max(Counter(i.hostname for i in self.primaries).values())

    @cached_property
    def mirroring(self) -> Mirroring:
        """How mirrors lie: 'spread' if no two mirrors of a host's primaries share a host, else 'grouped'.

        With one primary a host both look the same: grouped, as gpexpand proposes. A cluster that once got more
        primaries a host by gpexpand has mirrors of one host on two others: grouped, too (as in gparray 6.24.3).
        """
        if not self.mirrors:
            return "none"
        mirror_host = {m.content: m.hostname for m in self.mirrors}
        targets: dict[str, list[str]] = {}
        for primary in self.primaries:
            if primary.content in mirror_host:
                targets.setdefault(primary.hostname, []).append(mirror_host[primary.content])
        several = [hosts for hosts in targets.values() if len(hosts) > 1]
        return "spread" if several and all(len(set(hosts)) == len(hosts) for hosts in several) else "grouped"

    @cached_property
    def pattern_host(self) -> str:
        """The host new ones are modelled on: of those which carry what most hosts carry, the one of the first segment.

        In a regular cluster that is the first segment's host, as for gpexpand. A segment that gprecoverseg has moved
        makes its old and its new host differ from the others: neither is a pattern.
        """
        shapes = {host: self._shape(host) for host in self.hosts_in_order if self._shape(host)[0]}
        usual = Counter(shapes.values()).most_common(1)[0][0]  # of equally many, the one met first
        return next(host for host, shape in shapes.items() if shape == usual)

    @cached_property
    def hosts_in_order(self) -> tuple[str, ...]:
        """Segment hosts in the order in which gpexpand meets them: by content, the primary before the mirror."""
        ordered = sorted(self.segments, key=lambda i: (i.content, i.preferred_role != "p"))
        return tuple(dict.fromkeys(i.hostname for i in ordered))

    def _shape(self, hostname: str) -> tuple[int, int]:
        roles = Counter(i.preferred_role for i in self.segments if i.hostname == hostname)
        return roles["p"], roles["m"]

    def on_host(self, hostname: str) -> tuple[Instance, ...]:
        return tuple(i for i in self.instances if i.hostname == hostname)
