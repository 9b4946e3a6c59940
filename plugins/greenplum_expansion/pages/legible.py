"""What tasks left, held against what the pages expect of it, before anything is made of it.

It may be of another version of this package. Or it is only an address: an XCom backend of one's own may keep values
where Airflow's database does not have them. A page says so, and shows the rest.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, TypeVar

from annotated_types import Len
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # that of typing is enough for pydantic from Python 3.12 on

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.pages.records import Left

T = TypeVar("T")
WRONG = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError, StopIteration, zlib.error)
"""What reading raises that did not expect what it found."""
_CONFIG = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)  # further keys are those of a newer version

Moment = Annotated[float, Field(ge=0, le=1e11)]  # seconds since 1970
Range = Annotated[list[float | None], Len(3, 3)]  # at best, likely, at worst


class Illegible(Exception):
    """What a task left under a key is not what was expected."""

    def __init__(self, task_id: str, key: str) -> None:
        super().__init__(
            f"What {task_id} left as {key} cannot be read here: it is of another version, or Airflow's XCom backend "
            "keeps it elsewhere. The log of the task tells the same"
        )
        self.task_id = task_id
        self.key = key


class Steered(TypedDict, total=False):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    paused: bool
    by: str | None
    since: str | None


class Progress(TypedDict, total=False):
    """How far the moves are."""

    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    at: Moment
    tables: dict[str, int]
    bytes: dict[str, float]
    rate: float | None
    seconds_left: Range | None
    windows_left: Range | None
    ends: Annotated[list[Moment | None], Len(3, 3)] | None
    sessions: int | None
    steered: Steered | None


class Session(TypedDict):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    pid: int
    table: str
    seconds: float
    waits_for: str


class Moves(TypedDict, total=False):
    """Who moves what now, and what had moved when."""

    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    sessions: list[Session]
    points: list[Annotated[list[float], Len(2, 2)]]
    windows: list[Annotated[list[Moment | None], Len(2, 2)]] | None


class FailedTable(TypedDict):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    table: str


class Segments(TypedDict):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    hosts_before: dict[str, int]
    hosts_after: dict[str, int]


class Proof(TypedDict):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    tables: int
    rows: int
    checksums: bool
    differences: list[str]
    not_moved: list[str]


class Step(TypedDict):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    task_id: str
    seconds: float | None
    outcome: str


class Told(TypedDict):
    """A section of what a step found out."""

    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    title: str
    lines: list[str]
    columns: list[str]
    rows: list[list[str | int | float | None]]


class Report(TypedDict):
    """Of greenplum_expand."""

    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    expansion_id: str
    connection: str
    outcome: str
    failure: str
    next_action: str
    is_proven: bool
    segments: Segments | None
    proof: Proof | None
    steps: list[Step]
    sections: list[Told]


class WindowReport(TypedDict):
    """Of greenplum_redistribute."""

    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    expansion_id: str
    window: Annotated[list[str | None], Len(2, 2)] | None
    moved: int
    bytes: float
    failed: list[FailedTable]
    left: int
    bytes_left: float
    steering: str
    triggered_by: str


class _State(TypedDict, total=False):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    phase: str
    because: str


class RollbackReport(TypedDict):
    """Of greenplum_rollback."""

    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    found: _State | None
    proven: str | None
    told: list[str]
    state: str
    next: str


class _Finding(TypedDict):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    severity: Literal["error", "warning", "note"]
    subject: str
    problem: str
    remedy: NotRequired[str]


class _Database(TypedDict):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    name: str
    bytes: float


class _Look(TypedDict):
    __pydantic_config__ = _CONFIG  # type: ignore[misc]
    at: Moment
    version: str
    instances: list[dict[str, Any]]
    databases: list[_Database]
    state: str
    because: str


PROGRESS, MOVES, FAILED_TABLES = TypeAdapter(Progress), TypeAdapter(Moves), TypeAdapter(list[FailedTable])
REPORT, WINDOW_REPORT, ROLLBACK_REPORT = TypeAdapter(Report), TypeAdapter(WindowReport), TypeAdapter(RollbackReport)
SECTION, FINDINGS, LOOK = TypeAdapter(Told), TypeAdapter(list[_Finding] | None), TypeAdapter(_Look)


def fits(value: Any, shape: TypeAdapter[Any]) -> bool:
    """Whether it may be shown as it is."""
    try:
        shape.validate_python(value)
    except ValidationError:
        return False
    return True


def checked(left: Left, shape: TypeAdapter[Any]) -> Any:
    """What was left, as it is.

    :raises Illegible: it has another shape
    """
    if not fits(left.value, shape):
        raise Illegible(left.task_id, left.key)
    return left.value


def parsed(left: Left, parse: Callable[[Any], T]) -> T:
    """What `parse` makes of it.

    :raises Illegible: it can make nothing of it
    """
    try:
        return parse(left.value)
    except WRONG as error:
        raise Illegible(left.task_id, left.key) from error


def findings(left: Left) -> list[Finding]:
    """Of a check.

    :raises Illegible: they are none
    """
    return [Finding.from_dict(data) for data in checked(left, FINDINGS) or ()]
