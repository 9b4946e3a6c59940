"""What an expansion does step by step, and what limits each step: by the request as it is drafted.

The limits are the operators' own (`planning/limits.py`) and the request's; nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from greenplum_expansion.planning import limits
from greenplum_expansion.request.backup import BackupChoice, BackupSection
from greenplum_expansion.request.hardware import HardwareCheck, HardwareSection
from greenplum_expansion.request.preparation import PreparationPart, PreparationSection
from greenplum_expansion.request.restart import RestartSection
from greenplum_expansion.request.safety import SafetySection
from greenplum_expansion.request.section import Section
from greenplum_expansion.request.sessions import CatalogCheck, SessionsChoice, SessionsSection
from greenplum_expansion.request.tables import Engine, TablesSection
from greenplum_expansion.request.windows import MovedBy, WindowsSection

_AnySection = TypeVar("_AnySection", bound=Section)


@dataclass(frozen=True)
class Limit:
    """What ends a step that takes too long, and what becomes of it then.

    :param task_id: whose `patience` it is; empty if it is a field of the request, or there is none
    """

    words: str
    then: str
    task_id: str = ""
    span: timedelta | None = None


@dataclass(frozen=True)
class Step:
    """A row of the explanation.

    :param takes: how long it usually takes
    :param no_return: within it the catalog changes, and there is no way back
    """

    title: str
    what: str
    takes: str
    limits: tuple[Limit, ...]
    no_return: bool = False


def explain(draft: Mapping[str, Any]) -> list[Step]:
    """The steps of the expansion that is drafted; sections that are not right (yet) count as their defaults."""
    return [_check(draft), _prepare(draft), _back_up(draft), _approve(draft), _add(draft), _move(draft), _finish(draft)]


def say_span(span: timedelta) -> str:
    """A limit in words: "45 minutes", "12 hours", "7 days"."""
    minutes = round(span.total_seconds() / 60)
    for unit, length in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        # A day is said only of several: "24 hours" is how such limits are known.
        if minutes % length == 0 and minutes // length >= (2 if unit == "day" else 1):
            count = minutes // length
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{span.total_seconds():.0f} seconds"


def _followed(what: str, task_id: str, span: timedelta, then: str) -> Limit:
    return Limit(f"{what}{say_span(span)}", then, task_id, span)


def _check(draft: Mapping[str, Any]) -> Step:
    found = []
    if _section(SessionsSection, draft).catalog_check is not CatalogCheck.SKIP:
        found.append(
            _followed(
                "gpcheckcat: ",
                "check_cluster.catalog",
                limits.CATALOG_CHECK,
                "The check fails, and with it the run. Nothing was changed.",
            )
        )
    found.append(
        Limit(
            "All else: minutes, if a host does not answer",
            "That is a finding, told with all others.",
        )
    )
    return Step(
        "Check",
        "Cluster and new hosts are looked at from all sides; every problem is told at once, with its remedy. Nothing "
        "is changed.",
        "minutes",
        tuple(found),
    )


def _prepare(draft: Mapping[str, Any]) -> Step:
    parts = _section(PreparationSection, draft).preparation_parts
    found = []
    if PreparationPart.SOFTWARE in parts:
        found.append(
            Limit(
                f"Copying the software: {say_span(limits.SOFTWARE)} a host",
                "The step fails; the copy goes on, and “Try again” follows it. Nothing in the cluster was changed.",
            )
        )
    if PreparationPart.REBOOT in parts:
        found.append(
            _followed(
                "Coming back after a reboot, a host: ",
                "prepare_hosts.reboot",
                limits.REBOOT,
                "The step fails; when the host is up, “Try again” goes on.",
            )
        )
    if _section(HardwareSection, draft).hardware_check is not HardwareCheck.NONE:
        found.append(
            _followed(
                "Measuring: what gpcheckperf's trials may take, and ",
                "measure_hardware",
                limits.MEASURING,
                "A trial that hangs is ended and reported; the step fails if none of them ends.",
            )
        )
    return Step(
        "Prepare the new hosts",
        "System settings, the cluster's user, directories, software, keys; their hardware is measured beside that of "
        "existing hosts.",
        "minutes to an hour",
        tuple(found) or (Limit("None: nothing is prepared or measured", ""),),
    )


def _back_up(draft: Mapping[str, Any]) -> Step:
    if _section(BackupSection, draft).backup is BackupChoice.NONE:
        return Step("Back up", "Not asked for; only a snapshot of the catalogs is taken.", "seconds", ())
    limit = _followed(
        "",
        "back_up",
        limits.BACKUP,
        "The step fails; the backup itself runs on, and “Try again” follows it. Nothing was changed.",
    )
    return Step("Back up", "As much as you choose in the last step.", "by its size", (limit,))


def _approve(draft: Mapping[str, Any]) -> Step:
    if not _section(SafetySection, draft).approval:
        return Step("Plan", "gpexpand's input file and forecast are made; nobody is asked.", "minutes", ())
    limit = Limit("None", "The run waits for you, and holds neither a lock nor a worker meanwhile.")
    what = "gpexpand's input file, findings and forecast are shown; you approve, edit or reject."
    return Step("Plan and approval", what, "up to you", (limit,))


def _add(draft: Mapping[str, Any]) -> Step:
    sessions = _section(SessionsSection, draft)
    if sessions.sessions is SessionsChoice.GO_ON:
        waiting = Limit(
            "Open transactions: none",
            "gpexpand waits for those that have changed a catalog, and others cannot change one meanwhile; “wait” or "
            "“end”, under More choices, come before it.",
        )
    else:
        waiting = Limit(
            f"Open transactions: {say_span(timedelta(minutes=sessions.sessions_patience))}",
            "The run fails, naming who is in the way. Nothing was changed; “Try again” goes on.",
        )
    adding = _followed(
        "gpexpand: ",
        "add_segments",
        limits.ADD_SEGMENTS,
        "The step fails, but gpexpand runs on: “Try again” follows it, and nothing is done twice.",
    )
    mirrors = _followed(
        "Mirrors in sync: ",
        "wait_for_mirrors",
        limits.MIRRORS,
        "The step fails, and no table moves yet. Run gprecoverseg, then “Try again”.",
    )
    return Step(
        "Add the segments",
        "No table can be created, altered or dropped meanwhile; reading and writing rows goes on.",
        "minutes",
        (waiting, adding, mirrors),
        no_return=True,
    )


def _move(draft: Mapping[str, Any]) -> Step:
    return Step(
        "Move the tables",
        "Each table can be neither read nor written while it moves, the others can.",
        "hours to days, in windows of your choice",
        tuple(_move_limits(_section(WindowsSection, draft), _section(TablesSection, draft))),
    )


def _move_limits(windows: WindowsSection, tables: TablesSection) -> Iterator[Limit]:
    if windows.moved_by is MovedBy.SCHEDULE:
        yield Limit("Windows: those of greenplum_redistribute", "This run waits without a worker until all have moved.")
    elif windows.windows:
        grace = say_span(timedelta(minutes=windows.grace_minutes))
        over = (
            "is cancelled and begun anew"
            if tables.engine is Engine.GPEXPAND
            else f"has {grace} more, then it is cancelled"
        )
        yield Limit(
            f"Windows: {', '.join(windows.windows)} ({windows.time_zone})",
            f"Whatever is under way at a window's end {over}; the others wait for the next.",
        )
    else:
        yield Limit("Windows: none were chosen yet", "Tables move as soon as the segments are added, until all have.")
    if windows.last_end:
        yield Limit(
            f"In all: {windows.last_end.replace('T', ' ')} ({windows.time_zone})",
            "The run fails and says how many tables are left. They stay usable, and can be moved later.",
        )
    if tables.engine is Engine.GPEXPAND:
        yield _followed(
            "One run of gpexpand: ",
            "redistribute.move_tables",
            limits.GPEXPAND_MOVES,
            "The step fails, but gpexpand runs on, and “Try again” follows it.",
        )
    else:
        yield Limit(
            f"A lock on a table: {say_span(timedelta(seconds=tables.lock_patience_seconds))}, "
            f"{limits.MOVE_ATTEMPTS} times in a run",
            "The table stays where it is and usable; the others move. “Try again” moves what is left.",
        )


def _finish(draft: Mapping[str, Any]) -> Step:
    found = []
    if _section(RestartSection, draft).restart:
        found.append(
            _followed(
                "The restart, and then its mirrors, each: ",
                "restart_cluster",
                limits.RESTART,
                "The step fails and says how the cluster stands; the expansion is complete.",
            )
        )
    return Step(
        "Prove, clean up, report",
        "Every table on all segments, rows and checksums as before.",
        "by the size of the tables",
        tuple(found) or (Limit("None", "It reads every table; queries and jobs go on beside it."),),
    )


def _section(model: type[_AnySection], draft: Mapping[str, Any]) -> _AnySection:
    own = {name: value for name, value in draft.items() if name in model.model_fields}
    try:
        return model.model_validate(own)
    except ValidationError:
        return model()
