"""In which state an expansion is, computed from what gpexpand left on the cluster; never remembered, never guessed.

gpexpand's exit code proves nothing: it is 0 after a refused rerun, after failed tables and after a "no" at a prompt
(reference: gpexpand 6.24.3, main). What proves something is its status file in the coordinator's data directory,
the newest row of ``gpexpand.status`` in database postgres, and whether a gpexpand process lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from greenplum_expansion.errors import ActionRefused


class Stage(IntEnum):
    """Lines of ``gpexpand.status``, in the order in which preparation writes them."""

    UNINITIALIZED = 0
    EXPANSION_PREPARE_STARTED = 1
    BUILD_SEGMENT_TEMPLATE_STARTED = 2
    BUILD_SEGMENT_TEMPLATE_DONE = 3
    BUILD_SEGMENTS_STARTED = 4
    BUILD_SEGMENTS_DONE = 5
    UPDATE_CATALOG_STARTED = 6
    UPDATE_CATALOG_DONE = 7
    SETUP_EXPANSION_SCHEMA_STARTED = 8
    SETUP_EXPANSION_SCHEMA_DONE = 9
    PREPARE_EXPANSION_SCHEMA_STARTED = 10
    PREPARE_EXPANSION_SCHEMA_DONE = 11
    EXPANSION_PREPARE_DONE = 12


POINT_OF_NO_RETURN = Stage.UPDATE_CATALOG_DONE
"""From this line on the new segments are in the catalog, and gpexpand refuses to roll back."""


@dataclass(frozen=True)
class StatusFile:
    """The parsed status file: stages in order of appearance, each with the value gpexpand wrote behind the colon."""

    lines: tuple[tuple[Stage, str], ...]

    @classmethod
    def parse(cls, text: str) -> StatusFile:
        """Read ``NAME:value`` lines; ValueError names the line that is none (gpexpand could not read it either)."""
        lines = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            name, separator, value = line.partition(":")
            if not separator or name not in Stage.__members__ or ":" in value:
                raise ValueError(f"line {number} of gpexpand.status is {line!r}, not STAGE:value")
            lines.append((Stage[name], value))
        return cls(tuple(lines))

    @property
    def last(self) -> Stage:
        """The newest stage; an empty file counts as not initialised."""
        return self.lines[-1][0] if self.lines else Stage.UNINITIALIZED

    @property
    def input_file(self) -> str | None:
        """The input file of the interrupted preparation: ``gpexpand -r`` deletes the directories named in it."""
        return next((value for stage, value in self.lines if stage is Stage.EXPANSION_PREPARE_STARTED), None)


class Phase(StrEnum):
    """Every state an expansion can be found in. The values are published (reports, API): never rename one."""

    IDLE = "idle"
    PREPARING = "preparing"
    PREPARATION_FAILED = "preparation failed"
    PREPARATION_UNFINISHED = "preparation unfinished"
    STUCK = "stuck"
    READY = "ready to redistribute"
    REDISTRIBUTING = "redistributing"
    REDISTRIBUTION_CRASHED = "redistribution crashed"
    REDISTRIBUTION_STOPPED = "redistribution stopped"
    COMPLETE = "complete"

    @property
    def is_past_point_of_no_return(self) -> bool:
        """The new segments are, or are being, entered in the catalog; only forward from here."""
        return self not in (Phase.IDLE, Phase.PREPARING, Phase.PREPARATION_FAILED)

    @property
    def may_redistribute(self) -> bool:
        """Running gpexpand moves tables, and nothing else is moving them."""
        return self in (Phase.READY, Phase.REDISTRIBUTION_STOPPED, Phase.REDISTRIBUTION_CRASHED)

    @property
    def is_running(self) -> bool:
        """A gpexpand process is at work."""
        return self in (Phase.PREPARING, Phase.REDISTRIBUTING)


class StuckBy(StrEnum):
    """Why gpexpand itself can do nothing more."""

    SCHEMA_WITHOUT_STATUS = "schema without status"
    STATUS_FILE_UNREADABLE = "status file unreadable"
    UNKNOWN_STATUS = "unknown status"


_SCHEMA_STATUS = {
    "SETUP DONE": Phase.READY,
    "EXPANSION STOPPED": Phase.REDISTRIBUTION_STOPPED,
    "EXPANSION COMPLETE": Phase.COMPLETE,
}


@dataclass(frozen=True)
class ExpansionFacts:
    """What was read on the cluster.

    :param status_file: text of ``gpexpand.status``, None if it does not exist
    :param gpexpand_pid: pid of a living gpexpand, None if there is none (a stale pid file is none)
    :param schema_exists: schema gpexpand is in database postgres
    :param schema_status: newest ``status`` of ``gpexpand.status``; None if that table has no row or is not there
    """

    status_file: str | None
    gpexpand_pid: int | None
    schema_exists: bool
    schema_status: str | None


@dataclass(frozen=True)
class ExpansionState:
    """The phase, the fact that decided it, and what a person does next.

    :param stage: of the preparation, while its status file exists
    :param stuck_by: only when stuck
    """

    phase: Phase
    because: str
    next_action: str
    stage: Stage | None = None
    stuck_by: StuckBy | None = None

    def refuse(self, subject: str) -> ActionRefused:
        """The error for an action that this state forbids."""
        return ActionRefused(subject, f"the cluster is in state '{self.phase}': {self.because}", self.next_action)


def classify(facts: ExpansionFacts) -> ExpansionState:
    """Decide the phase; one branch for each row of the state table in docs/reference/states.md."""
    running = f"gpexpand runs with pid {facts.gpexpand_pid}" if facts.gpexpand_pid else ""
    if facts.status_file is not None:
        return _classify_preparation(facts.status_file, running)
    if not facts.schema_exists:
        if running:
            return ExpansionState(
                Phase.PREPARING, f"{running} and has not yet written its status file", "wait until it has ended"
            )
        return ExpansionState(Phase.IDLE, "no status file and no schema gpexpand", "start an expansion")
    if facts.schema_status is None:
        return ExpansionState(
            Phase.STUCK,
            "schema gpexpand exists in database postgres, but gpexpand.status has no row; gpexpand cannot proceed",
            "run greenplum_rollback: after an approval it drops the schema or has gpexpand make it anew",
            stuck_by=StuckBy.SCHEMA_WITHOUT_STATUS,
        )
    return _classify_redistribution(facts.schema_status, running)


def _classify_preparation(text: str, running: str) -> ExpansionState:
    try:
        last = StatusFile.parse(text).last
    except ValueError as error:
        return ExpansionState(
            Phase.STUCK,
            f"{error}; gpexpand can neither continue nor roll back with it",
            "correct that line of gpexpand.status on coordinator and standby by hand",
            stuck_by=StuckBy.STATUS_FILE_UNREADABLE,
        )
    because = f"gpexpand.status ends with {last.name}"
    if running:
        return ExpansionState(Phase.PREPARING, f"{running}, {because}", "wait until it has ended", last)
    if last < POINT_OF_NO_RETURN:
        return ExpansionState(
            Phase.PREPARATION_FAILED,
            f"{because} and no gpexpand runs; the catalog can still be put back",
            "run greenplum_rollback, then start again",
            last,
        )
    return ExpansionState(
        Phase.PREPARATION_UNFINISHED,
        f"{because} and no gpexpand runs; the new segments are in the catalog and cannot be taken back",
        "run greenplum_rollback, or clear task add_segments: both run gpexpand again, which finishes the set-up",
        last,
    )


def _classify_redistribution(status: str, running: str) -> ExpansionState:
    because = f"gpexpand.status in database postgres says {status}"
    if running:
        return ExpansionState(Phase.REDISTRIBUTING, f"{running}, {because}", "wait, or stop that gpexpand (SIGINT)")
    if status == "EXPANSION STARTED":
        return ExpansionState(
            Phase.REDISTRIBUTION_CRASHED,
            f"{because}, but no gpexpand runs",
            "clear task redistribute.move_tables: tables in progress are moved again",
        )
    if status == "SETUP":
        # Preparation removes its file only after SETUP DONE, so this is a file somebody deleted.
        return ExpansionState(
            Phase.STUCK,
            f"{because}, but the status file is gone",
            "run greenplum_rollback: after an approval it drops the schema or has gpexpand make it anew",
            stuck_by=StuckBy.SCHEMA_WITHOUT_STATUS,
        )
    phase = _SCHEMA_STATUS.get(status)
    if phase is None:
        return ExpansionState(
            Phase.STUCK,
            f"{because}, which this version does not know",
            "report it with the gpexpand version",
            stuck_by=StuckBy.UNKNOWN_STATUS,
        )
    actions = {
        Phase.READY: "clear task redistribute.move_tables: it moves the tables",
        Phase.REDISTRIBUTION_STOPPED: "clear task redistribute.move_tables: it moves the tables that are left",
        Phase.COMPLETE: "clear task clean_up: it removes schema gpexpand, so that the next expansion is possible",
    }
    return ExpansionState(phase, because, actions[phase])
