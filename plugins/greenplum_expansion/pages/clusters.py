"""Clusters as the pages know them: from connections, from runs, and from the last look at each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from greenplum_expansion.checks.finding import Finding, worst_first
from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.pages.access import EXPAND, LOOK, REDISTRIBUTE, ROLL_BACK
from greenplum_expansion.pages.legible import LOOK as LOOK_SHAPE
from greenplum_expansion.pages.legible import Illegible, findings, fits, parsed
from greenplum_expansion.pages.records import Left, Records, Run

CHANGING = (EXPAND, ROLL_BACK, REDISTRIBUTE)
"""DAGs that work on a cluster; beside one of their runs no expansion may begin."""
_LOOKED_AT = 40  # looks at a cluster that are searched for would-be hosts
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Look:
    """What was seen of a cluster.

    :param at: seconds since 1970
    :param databases: bytes by name
    """

    at: float
    version: str
    topology: Topology
    databases: Mapping[str, int]
    state: str
    because: str

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Look:
        return cls(
            at=data["at"],
            version=data["version"],
            topology=Topology.from_rows(data["instances"]),
            databases={entry["name"]: entry["bytes"] for entry in data["databases"]},
            state=data["state"],
            because=data["because"],
        )

    @property
    def size(self) -> int:
        return sum(self.databases.values())

    @property
    def down(self) -> int:
        return sum(not instance.is_up for instance in self.topology.instances)


@dataclass(frozen=True)
class Cluster:
    """One connection, and what is known of the cluster behind it.

    :param looking: the run that looks at it now
    :param active: the run that works on it now
    :param last: the last expansion of it
    :param ended: the run that has ended last of those that change something
    :param is_busy: a run works on it that this user may not see
    """

    conn_id: str
    description: str
    look: Look | None
    looking: Run | None
    active: Run | None
    last: Run | None
    problems: tuple[Finding, ...] = ()
    is_busy: bool = False
    ended: Run | None = None

    @property
    def refusal(self) -> str:
        """Why no expansion may begin; empty if one may."""
        if self.active:
            return f"{self.active.dag_id} is under way: run {self.active.run_id}"
        if self.is_busy:
            return "a run works on it that you may not see"
        if self.look is None or self.look.state == Phase.IDLE:
            return ""
        seen = f"the cluster is '{self.look.state}', as was seen last: {self.look.because}"
        run = self.ended
        if run is None or run.ended is None or run.ended.timestamp() <= self.look.at:
            return f"{seen}; if that has changed, look at it again"
        if run.dag_id == EXPAND and run.state == "success":
            return ""
        # A rollback or a window may end well and leave work; what failed may have left anything.
        return (
            f"the cluster was '{self.look.state}' when it was seen last, and what it is now is not known: "
            f"{run.dag_id} has ended since, with {run.state}: look at it again"
        )

    @property
    def may_know_more(self) -> bool:
        """Another look may take the refusal away."""
        return bool(self.refusal) and not self.active and not self.is_busy


def read_clusters(records: Records, connections: Mapping[str, str]) -> list[Cluster]:
    """Every cluster somebody may see.

    :param connections: those the user may know of; clusters that runs name are seen by whoever may see the runs
    """
    last, active = records.last_runs(CHANGING), records.runs((*CHANGING, LOOK), active=True)
    looks = _looks(records)
    busy = records.busy(CHANGING)
    found = []
    for name in sorted({*connections, *looks, *(run.connection for run in (*last, *active))}):
        seen, problems = looks.get(name, (None, ()))
        at_work = [run for run in active if run.connection == name]
        own = [run for run in last if run.connection == name and not run.is_dry]
        found.append(
            Cluster(
                conn_id=name,
                description=connections.get(name, ""),
                look=seen,
                looking=next((run for run in at_work if run.dag_id == LOOK), None),
                active=active_of(at_work),
                last=next((run for run in own if run.dag_id == EXPAND), None),
                problems=problems,
                is_busy=name in busy,
                ended=max((run for run in own if run.ended), key=lambda run: run.ended or _LONG_AGO, default=None),
            )
        )
    return found


def active_of(runs: Iterable[Run]) -> Run | None:
    """The run that works on the cluster; a dry run changes nothing, but claims it, too."""
    return next((run for run in runs if run.dag_id in CHANGING and run.is_active), None)


def _look(data: Any) -> Look:
    """Asked at once for what pages show of it, so that what cannot be read is found here.

    :raises ValueError: it is something else
    """
    if not fits(data, LOOK_SHAPE):
        raise ValueError("no look at a cluster")
    look = Look.from_dict(data)
    seen = look.topology
    _ = (
        seen.coordinator,
        seen.segment_count,
        seen.segment_hosts,
        seen.is_mirrored,
        seen.mirroring,
        look.size,
        look.down,
    )
    return look


def _looks(records: Records) -> dict[str, tuple[Look | None, tuple[Finding, ...]]]:
    """By connection what was seen last, and what the newest look has found: it may have met no cluster that answers."""
    newest: dict[tuple[str, str], tuple[Run, Left]] = {}
    for run, left in records.left_last(LOOK, "cluster", ("cluster", "findings")):
        newest.setdefault((run.connection, left.key), (run, left))
    found: dict[str, tuple[Look | None, tuple[Finding, ...]]] = {}
    for (name, key), (run, left) in newest.items():
        look, problems = found.get(name, (None, ()))
        try:
            if key == "cluster":
                look = parsed(left, _look)
            else:
                problems = (*problems, *worst_first(findings(left)))
        except Illegible as error:
            problems = (*problems, Finding.error(f"run {run.run_id}", str(error), "look again"))
        found[name] = (look, problems)
    return found


@dataclass(frozen=True)
class HostLook:
    """A would-be host as it was last looked at.

    :param state: "looking", "seen", "failed" (the look itself), or "not looked at"
    """

    typed: str
    state: str
    findings: tuple[Finding, ...] = ()


@dataclass
class HostLooks:
    """All hosts of a draft; `others` is what concerns them together."""

    hosts: list[HostLook] = field(default_factory=list)
    others: list[Finding] = field(default_factory=list)

    @property
    def is_looking(self) -> bool:
        return any(host.state == "looking" for host in self.hosts)


def read_host_looks(records: Records, conn_id: str, hosts: Sequence[str]) -> HostLooks:
    """For each host the newest look at this cluster that was asked to look at it."""
    runs = records.runs((LOOK,), whole=True, of=conn_id)[:_LOOKED_AT] if hosts else []
    asked = {typed: next((run for run in runs if typed in _typed(run)), None) for typed in hosts}
    result = HostLooks()
    wanted = {run.run_id: run for run in asked.values() if run}
    found: list[tuple[str, Left, list[Finding]]] = []
    for run_id, left in records.left(LOOK, list(wanted), keys=("findings",)) if wanted else ():
        try:
            found.append((run_id, left, findings(left)))
        except Illegible as error:
            result.others.append(Finding.warning(f"run {run_id}", str(error), "look again"))
    tasks = {run_id: [task for task in records.tasks(LOOK, run_id) if task.task_id == "host"] for run_id in wanted}
    labels = {(run_id, task.map_index): task.label for run_id, own in tasks.items() for task in own}
    for typed, run in asked.items():
        if run is None:
            result.hosts.append(HostLook(typed, "not looked at"))
            continue
        name = typed.partition("=")[0]
        own = [
            finding
            for run_id, left, said in found
            if run_id == run.run_id
            for finding in said
            if (left.task_id == "host" and labels.get((run_id, left.map_index)) == name)
            or (left.task_id == "places" and finding.subject == f"new host {name}")
        ]
        # The run may go on when this host has been seen: others are looked at, tables are measured.
        states = {task.state for task in tasks[run.run_id] if task.label == name}
        if own or "success" in states:
            state = "seen"
        elif "failed" in states or run.state == "failed":
            state = "failed"
        else:  # a look that went well may have left the host out: the cluster did not answer
            state = "looking" if run.is_active else "not looked at"
        result.hosts.append(HostLook(typed, state, tuple(worst_first(own))))
    newest = next((run for run in runs if run.run_id in wanted), None)
    named = {f"new host {typed.partition('=')[0]}" for typed in hosts}
    for run_id, left, said in found:
        if newest and run_id == newest.run_id and left.task_id in ("places", "cluster"):
            result.others += [finding for finding in said if finding.subject not in named]
    result.others = worst_first(result.others)
    return result


def _typed(run: Run) -> set[str]:
    entries = run.conf.get("new_hosts")
    return {entry for entry in entries if isinstance(entry, str)} if isinstance(entries, list) else set()
