"""The plan: what will be done, in the form a person approves, a task executes and a rollback compares with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster import tablespaces as tablespace_file
from greenplum_expansion.cluster.input_file import NewInstance, render
from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.cluster.topology import Instance, Topology
from greenplum_expansion.planning.decisions import Presence


@dataclass(frozen=True)
class DatabaseSize:
    """One database: bytes on all primaries together, and the tables that will move."""

    dbname: str
    size_bytes: int
    tables: int


@dataclass(frozen=True)
class Plan:
    """An expansion, decided.

    :param before: the cluster when the plan was made; a rollback must restore it
    :param new: the instances to build
    :param databases: what will be rewritten
    :param findings: warnings and notes a person should know before approving
    :param tablespaces: the user tablespaces there are
    :param locations: for each new primary, by dbid, where they lie on it, in that order
    """

    expansion_id: str
    version: str
    before: Topology
    new: tuple[NewInstance, ...]
    databases: tuple[DatabaseSize, ...]
    findings: tuple[Finding, ...]
    tablespaces: tuple[Tablespace, ...] = ()
    locations: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def input_file(self) -> str:
        return render(self.new)

    @property
    def tablespace_file(self) -> str:
        """Text of the file beside the input file; empty if there must be none."""
        return tablespace_file.render(self.tablespaces, self.locations)

    @property
    def tablespace_directories(self) -> tuple[tuple[str, str], ...]:
        """(host name, ``<location>/<dbid>``) of each new instance: ours alone, and not deleted by ``gpexpand -r``."""
        directories = tablespace_file.instance_directories(self.new, self.locations)
        return tuple((instance.hostname, directory) for instance, directory in directories)

    @property
    def segments_after(self) -> int:
        return self.before.segment_count + sum(i.is_primary for i in self.new)

    @property
    def new_hosts(self) -> tuple[str, ...]:
        return tuple(sorted({i.hostname for i in self.new}))

    @property
    def digest(self) -> str:
        """Of what would be done; the findings may differ between two equal plans."""
        essence = json.dumps([self.input_file + self.tablespace_file, self.before_shape()], sort_keys=True)
        return hashlib.sha256(essence.encode()).hexdigest()[:16]

    def before_shape(self) -> list[tuple[Any, ...]]:
        return [shape(instance) for instance in self.before.instances]

    def presence(self, now: Topology) -> Presence:
        """How many of the new instances a catalog holds, by place and identity."""
        known = {(i.dbid, i.content, i.hostname, i.port, i.datadir) for i in now.instances}
        found = sum((i.dbid, i.content, i.hostname, i.port, i.datadir) in known for i in self.new)
        return Presence.ALL if found == len(self.new) else Presence.SOME if found else Presence.NONE

    def occupants(self, now: Topology) -> list[Instance]:
        """Instances of the cluster that lie where the plan's were to be built, and are not those.

        Somebody has expanded by hand meanwhile, with other ports or numbers: what lies there is in use.
        """
        own = {(i.dbid, i.content, i.port) for i in self.new}
        places = {(where, i.datadir) for i in self.new for where in (i.hostname, i.address)}
        return [
            i
            for i in now.instances
            if (i.dbid, i.content, i.port) not in own and places & {(i.hostname, i.datadir), (i.address, i.datadir)}
        ]

    def to_dict(self) -> dict[str, Any]:
        return {
            "expansion_id": self.expansion_id,
            "version": self.version,
            "before": self.before.to_rows(),
            "new": [asdict(instance) for instance in self.new],
            "databases": [asdict(database) for database in self.databases],
            "findings": [finding.to_dict() for finding in self.findings],
            "tablespaces": [tablespace.to_dict() for tablespace in self.tablespaces],
            "locations": {str(dbid): list(places) for dbid, places in sorted(self.locations.items())},
            "digest": self.digest,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Plan:
        return cls(
            expansion_id=data["expansion_id"],
            version=data["version"],
            before=Topology.from_rows(data["before"]),
            new=tuple(NewInstance(**row) for row in data["new"]),
            databases=tuple(DatabaseSize(**row) for row in data["databases"]),
            findings=tuple(Finding.from_dict(row) for row in data["findings"]),
            tablespaces=tuple(map(Tablespace.from_dict, data.get("tablespaces", ()))),
            locations={int(dbid): tuple(places) for dbid, places in data.get("locations", {}).items()},
        )


def shape(instance: Instance) -> tuple[Any, ...]:
    """What of an instance must be the same after a rollback; role, mode and status change by themselves."""
    return (
        instance.dbid,
        instance.content,
        instance.preferred_role,
        instance.port,
        instance.hostname,
        instance.address,
        instance.datadir,
    )


def differences(expected: Topology, found: Topology) -> list[str]:
    """How the catalog differs from what it should be, one sentence an instance; empty if it does not."""
    wanted = {shape(i): i for i in expected.instances}
    present = {shape(i): i for i in found.instances}
    return [
        *(f"missing: {wanted[key]}" for key in sorted(wanted.keys() - present.keys())),
        *(f"not expected: {present[key]}" for key in sorted(present.keys() - wanted.keys())),
    ]


def human_bytes(count: float) -> str:
    """Bytes as people say them: "1.5 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")
