"""The report at the end of a run, of whichever DAG: what it came to, in the same words and order for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from greenplum_expansion.pages.access import REDISTRIBUTE, ROLL_BACK
from greenplum_expansion.pages.legible import REPORT, ROLLBACK_REPORT, WINDOW_REPORT, checked, parsed
from greenplum_expansion.pages.records import Records, Run
from greenplum_expansion.pages.runbooks import KINDS
from greenplum_expansion.pages.words import many
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.section import Section

_KEY = "report"


@dataclass(frozen=True)
class Told:
    """One report.

    :param name: of the expansion, or of the run
    :param good: what is proven, or came out well; empty if nothing
    :param failure, next_action: empty if nothing is to be done
    :param lines: further sentences
    :param segments, proof, steps: as ``report.Report`` has them; of an expansion only
    :param data: as its task left it
    """

    kind: str
    name: str
    connection: str
    outcome: str
    good: str
    failure: str
    next_action: str
    lines: tuple[str, ...]
    sections: tuple[Section, ...]
    segments: Mapping[str, Any] | None
    proof: Mapping[str, Any] | None
    steps: tuple[Mapping[str, Any], ...]
    data: Mapping[str, Any]


def read_report(records: Records, run: Run) -> Told | None:
    """None as long as there is none.

    :raises Illegible: it is something else
    """
    for _, left in records.left(run.dag_id, run.run_id, keys=(_KEY,)):
        if left.task_id == "report":
            checked(left, _SHAPES.get(run.dag_id, REPORT))
            return parsed(left, lambda data: tell(run, data))
    return None


_SHAPES: dict[str, TypeAdapter[Any]] = {REDISTRIBUTE: WINDOW_REPORT, ROLL_BACK: ROLLBACK_REPORT}


def tell(run: Run, data: Mapping[str, Any]) -> Told:
    """A report as its DAG makes it, as all are shown."""
    if run.dag_id == REDISTRIBUTE:
        return _window(run, data)
    if run.dag_id == ROLL_BACK:
        return _rollback(run, data)
    return Told(
        kind=KINDS[run.dag_id],
        name=data["expansion_id"],
        connection=data["connection"],
        outcome=data["outcome"],
        good="Every table lies on all segments, rows and checksums are as before." if data["is_proven"] else "",
        failure=data["failure"],
        next_action=data["next_action"],
        lines=tuple(_expansion_lines(data)),
        sections=tuple(map(Section.from_dict, data["sections"])),
        segments=data["segments"],
        proof=data["proof"],
        steps=tuple(data["steps"]),
        data=data,
    )


def _expansion_lines(data: Mapping[str, Any]) -> Iterator[str]:
    if segments := data["segments"]:
        before, after = (sum(segments[hosts].values()) for hosts in ("hosts_before", "hosts_after"))
        yield f"Segments: {before} before, {after} after"
    if proof := data["proof"]:
        what = "rows and checksums" if proof["checksums"] else "rows"
        count = len(proof["differences"])
        verdict = f"{count} differ" if count else f"{what} all equal before and after"
        yield f"Proof: {many(proof['tables'], 'table')}, {proof['rows']:,} rows; {verdict}"


def _window(run: Run, data: Mapping[str, Any]) -> Told:
    failed = data["failed"]
    rows = tuple((table["table"], table.get("error", "")) for table in failed)
    some = Section("Tables that have not moved", columns=("Table", "What the server said"), rows=rows)
    return Told(
        kind=KINDS[run.dag_id],
        name=data["expansion_id"],
        connection=run.connection,
        outcome=f"{many(data['moved'], 'table')} moved, {data['left']} left",
        good="Nothing is left: all tables have moved." if not data["left"] else "",
        failure=f"{many(len(failed), 'table')} could not be moved" if failed else "",
        next_action="mend what the errors say; every later run tries them again, this one if you try it again"
        if failed
        else "",
        lines=tuple(_window_lines(data)),
        sections=(some,) if failed else (),
        segments=None,
        proof=None,
        steps=(),
        data=data,
    )


def _window_lines(data: Mapping[str, Any]) -> Iterator[str]:
    if data["window"]:
        start, end = data["window"]
        yield f"Its window: {_moment(start)} to {_moment(end)}" if end else f"From {_moment(start)} on, without an end"
    yield f"Moved: {many(data['moved'], 'table')}, {human_bytes(data['bytes'])}"
    yield f"Left: {many(data['left'], 'table')}, {human_bytes(data['bytes_left'])}"
    yield f"Steering: {data['steering']}"
    yield f"Begun by: {data['triggered_by']}"


def _moment(iso: str) -> str:
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rollback(run: Run, data: Mapping[str, Any]) -> Told:
    found, proven = data["found"], data["proven"] or ""
    said = f"Found: the cluster was '{found['phase']}': {found['because']}" if found else "Nothing could be found out"
    return Told(
        kind=KINDS[run.dag_id],
        name=run.run_id,
        connection=run.connection,
        outcome="proven" if proven else f"not done, the cluster is '{data['state']}'",
        good=f"{proven[:1].upper()}{proven[1:]}." if proven else "",
        failure="" if proven else "It could not be brought to a known state",
        next_action=data["next"],
        lines=(said, *data["told"]),
        sections=(),
        segments=None,
        proof=None,
        steps=(),
        data=data,
    )
