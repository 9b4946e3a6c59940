"""The wizard's forecast: what the draft would take on the cluster as it was last looked at and measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.pages.workloads import Measured
from greenplum_expansion.planning.estimate import Estimate, estimate
from greenplum_expansion.planning.rates import Shape
from greenplum_expansion.request.tables import Engine, TablesSection
from greenplum_expansion.request.windows import MovedBy, Oversize, WindowsSection
from greenplum_expansion.schedule import foreseen


@dataclass(frozen=True)
class Foresight:
    """What is shown of it.

    :param estimate: None if there cannot be one, for the `reason`
    :param zone: of the windows it was made for
    :param sessions: tables moved at a time
    :param notes: what a person should know who reads it
    """

    estimate: Estimate | None
    measured: Measured
    reason: str = ""
    zone: str = "UTC"
    sessions: int = 0
    is_mirrored: bool = False
    notes: tuple[str, ...] = ()


def foresee(
    draft: Mapping[str, Any],
    topology: Topology | None,
    new: tuple[NewInstance, ...],
    measured: Measured,
    now: datetime | None = None,
) -> Foresight:
    """Make it, as far as what is known allows.

    :param topology: as the cluster was last seen; None if it never was
    :param new: what would be added; nothing if the hosts cannot be placed (yet)
    """
    now = now or datetime.now(UTC)
    if topology is None or measured.workload is None:
        return Foresight(None, measured, "How much this cluster has to move was not measured yet.")
    if not new:
        return Foresight(None, measured, "It can be made when the new hosts are named and have a place.")
    try:
        asked = WindowsSection.model_validate(_of(WindowsSection, draft))
        tables = TablesSection.model_validate(_of(TablesSection, draft))
    except ValidationError:
        return Foresight(None, measured, "It can be made when this step is right.")
    windows = foreseen(asked)
    rules = windows.window_rules(tables.parallel_moves, now)
    if not rules.longest_window:
        return Foresight(None, measured, "No window comes in which tables could move.")
    shape = shape_of(topology, new, tables.parallel_moves)
    hosts = len({*topology.segment_hosts, *(instance.hostname for instance in new)})
    made = estimate(measured.workload, shape, windows.calendar(), rules, now, hosts=hosts)
    return Foresight(
        made,
        measured,
        zone=windows.time_zone,
        sessions=shape.sessions,
        is_mirrored=shape.mirrored,
        notes=tuple(_notes(asked, tables, made)),
    )


def shape_of(topology: Topology, new: tuple[NewInstance, ...], sessions: int) -> Shape:
    """The cluster as it would grow."""
    old = set(topology.segment_hosts)
    added = {instance.content for instance in new}
    return Shape(
        segments_before=topology.segment_count,
        segments_after=topology.segment_count + len(added),
        old_hosts=len(old),
        # Without new hosts the old ones carry everything.
        new_hosts=len({instance.hostname for instance in new} - old or old),
        mirrored=topology.is_mirrored,
        sessions=sessions,
    )


def _notes(asked: WindowsSection, tables: TablesSection, made: Estimate) -> list[str]:
    notes = []
    if asked.moved_by is MovedBy.SCHEDULE:
        notes.append("The windows are those of greenplum_redistribute's own schedule.")
    if tables.only_tables:
        notes.append("It is of all tables; which ones “Only these tables” are is known when the plan is made.")
    if tables.engine is Engine.GPEXPAND and made.longest_window is not None:
        notes.append(
            "gpexpand cancels what is under way when a window ends and begins it anew in the next: expect more windows."
        )
    if made.oversized_count and asked.oversize is Oversize.OWN_WINDOW:
        notes.append("Tables that fit no window are begun in windows of their own, after all others, and come on top.")
    return notes


def _of(section: type[WindowsSection] | type[TablesSection], draft: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in draft.items() if name in section.model_fields}
