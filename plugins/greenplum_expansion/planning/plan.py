"""The plan: what will be done, in the form a person approves, a task executes and a rollback compares with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.input_file import NewInstance, render
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
    """

    expansion_id: str
    version: str
    before: Topology
    new: tuple[NewInstance, ...]
    databases: tuple[DatabaseSize, ...]
    findings: tuple[Finding, ...]

    @property
    def input_file(self) -> str:
        return render(self.new)

    @property
    def segments_after(self) -> int:
        return self.before.segment_count + sum(i.is_primary for i in self.new)

    @property
    def new_hosts(self) -> tuple[str, ...]:
        return tuple(sorted({i.hostname for i in self.new}))

    @property
    def digest(self) -> str:
        """Of what would be done; the findings may differ between two equal plans."""
        essence = json.dumps([self.input_file, self.before_shape()], sort_keys=True)
        return hashlib.sha256(essence.encode()).hexdigest()[:16]

    def before_shape(self) -> list[tuple[Any, ...]]:
        return [shape(instance) for instance in self.before.instances]

    def presence(self, now: Topology) -> Presence:
        """How many of the new instances a catalog holds, by place and identity."""
        known = {(i.dbid, i.content, i.hostname, i.port, i.datadir) for i in now.instances}
        found = sum((i.dbid, i.content, i.hostname, i.port, i.datadir) in known for i in self.new)
        return Presence.ALL if found == len(self.new) else Presence.SOME if found else Presence.NONE

    def to_dict(self) -> dict[str, Any]:
        return {
            "expansion_id": self.expansion_id,
            "version": self.version,
            "before": self.before.to_rows(),
            "new": [asdict(instance) for instance in self.new],
            "databases": [asdict(database) for database in self.databases],
            "findings": [finding.to_dict() for finding in self.findings],
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


def approval_text(plan: Plan, findings: Sequence[Finding]) -> str:
    """What a person reads before approving, as Markdown. Names come from the cluster: none can form markup in code."""
    hosts = ", ".join(plan.new_hosts)
    total = sum(database.size_bytes for database in plan.databases)
    tables = sum(database.tables for database in plan.databases)
    lines = [
        (
            f"**{plan.version}** grows from {plan.before.segment_count} to {plan.segments_after} segments "
            f"by the hosts {hosts}."
        ),
        "",
        (
            f"{tables} tables, {human_bytes(total)} in {len(plan.databases)} databases, are rewritten one after "
            "another. A table cannot be read or written while it moves."
        ),
        "",
        (
            "While `add_segments` runs, minutes on most clusters, no table can be created, altered or dropped in any "
            "database, temporary ones included: such statements fail with *gpexpand in progress, catalog changes are "
            "disallowed*. Stop ETL that makes tables meanwhile; reading and writing rows goes on."
        ),
        "",
        (
            "**After this step it can be undone only until gpexpand has changed the catalog, some minutes into "
            "`add_segments`.** Up to there a failure is rolled back; from there the way is forward only. "
            "Until the tables have moved they stay usable where they are. Backups taken before cannot be restored "
            "to the grown cluster with plain gprestore."
        ),
        "",
    ]
    if findings:
        lines += ["### Findings", "", *(f"- `{_code(str(finding))}`" for finding in findings), ""]
    lines += ["### New segments (gpexpand's input file)", "", "```text", plan.input_file.rstrip("\n"), "```", ""]
    lines += ["### Existing segments", "", "```text"]
    lines += [
        "|".join(map(str, (i.hostname, i.address, i.port, i.datadir, i.dbid, i.content, i.preferred_role)))
        for i in sorted(plan.before.instances, key=lambda i: (i.content, i.preferred_role != "p"))
    ]
    lines += ["```", ""]
    return "\n".join(lines)


def _code(text: str) -> str:
    return text.replace("`", "'")


def human_bytes(count: float) -> str:
    """Bytes as people say them: "1.5 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")
