"""Two surveys side by side: what an expansion changed, meant to or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.section import Section
from greenplum_expansion.survey.facts import DatabaseSurvey, Survey

_DATABASES_SHOWN = 20
_SCHEMAS_SHOWN = 5
_KINDS_SHOWN = ("external", "view", "function", "index")
_GROWN = 1.1  # a schema's size is worth a line when it changed by more than a tenth, and by more than this
_GROWN_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Change:
    """One figure at both moments.

    :param is_loss: something that was there before is not there any more
    """

    database: str
    what: str
    before: str
    after: str
    is_loss: bool = False


@dataclass(frozen=True)
class Comparison:
    """All that is worth showing of two surveys."""

    before: Survey
    after: Survey
    changes: tuple[Change, ...]
    lines: tuple[str, ...]

    @property
    def losses(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.is_loss)

    def to_dict(self) -> dict[str, Any]:
        """For XCom and pages."""
        return {
            "before": self.before.summary(),
            "after": self.after.summary(),
            "lines": list(self.lines),
            "changes": [
                {
                    "database": change.database,
                    "what": change.what,
                    "before": change.before,
                    "after": change.after,
                    "is_loss": change.is_loss,
                }
                for change in self.changes
            ],
        }

    def section(self) -> Section:
        """For the report."""
        rows = [(change.database, change.what, change.before, change.after) for change in self.changes]
        columns = ("database", "what", "before", "after") if rows else ()
        return Section("Survey before and after", self.lines, columns, tuple(rows))


def compare(before: Survey, after: Survey) -> Comparison:
    """Compare; databases in the order of their size, bounded in number."""
    old = {database.name: database for database in before.databases}
    new = {database.name: database for database in after.databases}
    names = sorted({*old, *new}, key=lambda name: (-_size(old.get(name), new.get(name)), name))
    changes: list[Change] = []
    for name in names:
        if name not in new:
            changes.append(Change(name, "the database", "there", "gone", is_loss=True))
        elif name not in old:
            changes.append(Change(name, "the database", "", "new"))
    shown = [name for name in names if name in old and name in new]
    equal = 0
    for position, name in enumerate(shown):
        found = list(_database(old[name], new[name]))
        worth = [change for change in found if change.before != change.after or change.what == "size"]
        if position >= _DATABASES_SHOWN:
            worth = [change for change in worth if change.is_loss]
        equal += all(not change.is_loss for change in found)
        changes += worth
    lines = [f"{before.segments} segments before, {after.segments} after."]
    if equal == len(shown):
        lines.append(f"No kind of object became fewer in any of {len(shown)} databases.")
    if len(shown) > _DATABASES_SHOWN:
        lines.append(f"Shown are the {_DATABASES_SHOWN} largest databases, and losses in all.")
    lines += _not_known("before", before)
    lines += _not_known("after", after)
    return Comparison(before, after, tuple(changes), tuple(lines))


def to_dict(before: Survey, after: Survey) -> dict[str, Any]:
    """The comparison as plain data."""
    return compare(before, after).to_dict()


def survey_section(survey: Survey, title: str = "Survey") -> Section:
    """One survey as a section of the report: a line a database, and what deserves attention."""
    rows = []
    for database in sorted(survey.databases, key=lambda one: (-(one.size_bytes or 0), one.name))[:_DATABASES_SHOWN]:
        objects = database.objects
        rows.append(
            (
                database.name,
                "" if database.size_bytes is None else human_bytes(database.size_bytes),
                f"{len(database.schemas):,}",
                *(f"{number:,}" for number in (objects["heap"], _append_optimised(objects), database.leaves)),
                *(f"{objects[kind]:,}" for kind in _KINDS_SHOWN),
            )
        )
    heads = (
        "database",
        "size",
        "schemas",
        "heap",
        "append-opt.",
        "leaves",
        "external",
        "views",
        "functions",
        "indexes",
    )
    lines = [sentence for database in survey.databases for sentence in _attention(database)]
    return Section(title, (*lines, *_not_known("", survey)), heads if rows else (), tuple(rows))


def _attention(database: DatabaseSurvey) -> Iterable[str]:
    uneven = [table for table in database.uneven if table.skew is not None and table.skew >= 1.5]
    if uneven:
        named = ", ".join(f"{table.name} {table.skew:.1f}" for table in uneven[:3])
        yield f"{database.name}: uneven (fullest segment over average): {named}"
    if database.append_optimised_bloat:
        named = ", ".join(f"{bloat.name} {bloat.percent:.0f} %" for bloat in database.append_optimised_bloat[:3])
        yield (
            f"{database.name}: more than 10 % deleted rows in {len(database.append_optimised_bloat)} append-optimised "
            f"tables: {named}; redistribution leaves them behind"
        )
    if database.heap_bloat_total:
        named = ", ".join(bloat.name for bloat in database.heap_bloat[:3])
        yield f"{database.name}: {database.heap_bloat_total} bloated heap tables: {named}"
    if database.missing_statistics.total:
        yield f"{database.name}: {database.missing_statistics.total:,} tables without full statistics"
    if database.invalid_indexes:
        yield f"{database.name}: {database.invalid_indexes} invalid indexes"


def _database(old: DatabaseSurvey, new: DatabaseSurvey) -> Iterable[Change]:
    name = old.name
    if old.size_bytes is not None and new.size_bytes is not None:
        yield Change(name, "size", human_bytes(old.size_bytes), human_bytes(new.size_bytes))
    if "objects" not in old.not_known and "objects" not in new.not_known:
        had, has = old.objects, new.objects
        for kind in sorted({*had, *has}):
            yield Change(name, _plural(kind), f"{had[kind]:,}", f"{has[kind]:,}", is_loss=has[kind] < had[kind])
        yield Change(name, "partitioned tables", f"{old.roots:,}", f"{new.roots:,}", is_loss=new.roots < old.roots)
        yield Change(name, "leaf partitions", f"{old.leaves:,}", f"{new.leaves:,}", is_loss=new.leaves < old.leaves)
    yield from _schema_sizes(old, new)
    if "tables" not in old.not_known and "tables" not in new.not_known:
        yield Change(name, "least even table", _least_even(old), _least_even(new))
    if "append-optimised bloat" not in old.not_known and "append-optimised bloat" not in new.not_known:
        yield Change(
            name,
            "append-optimised tables with more than 10 % deleted rows",
            f"{len(old.append_optimised_bloat):,}",
            f"{len(new.append_optimised_bloat):,}",
        )
    for what, part, had_number, has_number in (
        ("bloated heap tables", "heap bloat", old.heap_bloat_total, new.heap_bloat_total),
        ("tables without full statistics", "statistics", old.missing_statistics.total, new.missing_statistics.total),
        ("invalid indexes", "indexes", old.invalid_indexes, new.invalid_indexes),
    ):
        if part not in old.not_known and part not in new.not_known:
            yield Change(name, what, f"{had_number:,}", f"{has_number:,}")


def _schema_sizes(old: DatabaseSurvey, new: DatabaseSurvey) -> Iterable[Change]:
    if "schema sizes" in old.not_known or "schema sizes" in new.not_known:
        return
    had = {schema.name: schema.row_bytes + schema.other_bytes for schema in old.schemas}
    has = {schema.name: schema.row_bytes + schema.other_bytes for schema in new.schemas}
    grown = [
        (abs(has[schema] - had[schema]), schema)
        for schema in had.keys() & has.keys()
        if abs(has[schema] - had[schema]) > _GROWN_BYTES
        and max(has[schema], had[schema]) > _GROWN * min(has[schema], had[schema])
    ]
    for _, schema in sorted(grown, reverse=True)[:_SCHEMAS_SHOWN]:
        yield Change(old.name, f"schema {schema}", human_bytes(had[schema]), human_bytes(has[schema]))


def _least_even(database: DatabaseSurvey) -> str:
    known = [table for table in database.uneven if table.skew is not None]
    if not known:
        return "none"
    worst = max(known, key=lambda table: table.skew or 0)
    return f"{worst.name} {worst.skew:.2f}"


def _not_known(moment: str, survey: Survey) -> list[str]:
    where = f"{moment}, " if moment else ""
    return [
        f"Not known {where}{database.name}: {part}, {reason}"
        for database in survey.databases
        for part, reason in database.not_known.items()
    ][:_DATABASES_SHOWN]


def _append_optimised(objects: Counter[str]) -> int:
    return sum(number for kind, number in objects.items() if kind.startswith("append-optimised"))


def _plural(kind: str) -> str:
    names = {"index": "indexes", "heap": "heap tables", "external": "external tables", "foreign": "foreign tables"}
    names |= {kind: f"{kind.split()[0]} tables by {kind.split()[1]}" for kind in (kind,) if kind.startswith("append")}
    return names.get(kind, f"{kind}s")


def _size(*surveys: DatabaseSurvey | None) -> int:
    return max((one.size_bytes or 0 for one in surveys if one), default=0)
