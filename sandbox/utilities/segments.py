"""The array of segments: rows of gp_segment_configuration and what can be said about them without asking a host."""

from __future__ import annotations

from dataclasses import dataclass, replace

COLUMNS = "dbid, content, role, preferred_role, mode, status, port, hostname, address, datadir"


@dataclass(frozen=True)
class Segment:
    """One row: an instance of the coordinator (content -1) or of a segment, primary or mirror."""

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

    def __str__(self) -> str:
        """As gppylib writes it in files and debug lines."""
        return (
            f"{self.dbid}|{self.content}|{self.role}|{self.preferred_role}|{self.mode}|{self.status}"
            f"|{self.hostname}|{self.address}|{self.port}|{self.datadir}"
        )

    @classmethod
    def parse(cls, line: str) -> Segment:
        """The reverse of ``str``."""
        dbid, content, role, preferred, mode, status, hostname, address, port, datadir = line.split("|")
        return cls(int(dbid), int(content), role, preferred, mode, status, int(port), hostname, address, datadir)

    @property
    def is_up(self) -> bool:
        """According to the catalog."""
        return self.status == "u"

    @property
    def acts_as_primary(self) -> bool:
        """Current role, not the preferred one."""
        return self.role == "p"

    def with_role(self, role: str) -> Segment:
        """The same instance in another current role."""
        return replace(self, role=role)


@dataclass(frozen=True)
class Array:
    """All segments of a cluster, ordered by content, then dbid."""

    segments: tuple[Segment, ...]

    @property
    def coordinator(self) -> Segment:
        """The acting coordinator."""
        return next(s for s in self.segments if s.content == -1 and s.role == "p")

    @property
    def standby(self) -> Segment | None:
        """The standby coordinator, if there is one."""
        return next((s for s in self.segments if s.content == -1 and s.role == "m"), None)

    @property
    def segment_instances(self) -> list[Segment]:
        """All but coordinator and standby, by content; of a pair first the preferred primary."""
        chosen = [s for s in self.segments if s.content >= 0]
        return sorted(chosen, key=lambda s: (s.content, s.preferred_role != "p", s.dbid))

    @property
    def primaries(self) -> list[Segment]:
        """Acting primaries by content."""
        return sorted((s for s in self.segments if s.content >= 0 and s.role == "p"), key=lambda s: s.content)

    @property
    def mirrors(self) -> list[Segment]:
        """Acting mirrors by content."""
        return sorted((s for s in self.segments if s.content >= 0 and s.role == "m"), key=lambda s: s.content)

    @property
    def hosts(self) -> list[str]:
        """Hosts of segments (not of coordinator and standby), in order of their first content."""
        return list(dict.fromkeys(s.hostname for s in self.segment_instances))

    @property
    def mirrored(self) -> bool:
        """Whether content 0 has a mirror, which is how gpexpand decides it."""
        return any(s.content == 0 and s.preferred_role == "m" for s in self.segments)

    @property
    def balanced(self) -> bool:
        """All up and in their preferred role."""
        return all(s.status == "u" and s.role == s.preferred_role for s in self.segments)

    def pair(self, segment: Segment) -> Segment | None:
        """The other instance of the same content."""
        return next((s for s in self.segments if s.content == segment.content and s.dbid != segment.dbid), None)

    def mirroring(self) -> str:
        """``Group`` when all mirrors of a host's primaries lie on one other host, else ``Spread``."""
        targets: dict[str, set[str]] = {}
        for segment in self.segment_instances:
            mirror = self.pair(segment)
            if segment.preferred_role == "p" and mirror is not None:
                targets.setdefault(segment.hostname, set()).add(mirror.hostname)
        return "Group" if all(len(hosts) == 1 for hosts in targets.values()) else "Spread"
