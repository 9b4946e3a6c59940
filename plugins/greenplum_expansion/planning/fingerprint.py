"""What each table holds and where, before and after; the comparison that proves nothing was lost.

A checksum is the sum over all rows of a 64-bit hash of the row's text: independent of order, so of the segments the
rows lie on, and sensitive to a row that is missing, doubled or changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

RANDOMLY = "DISTRIBUTED RANDOMLY"


class TableKey(NamedTuple):
    """Identity of a table across its move: a move keeps the OID."""

    dbname: str
    oid: int


@dataclass(frozen=True)
class TableFingerprint:
    """One table at one moment.

    :param fq_name: quoted ``schema.table``
    :param policy: 'p' distributed over the segments, 'r' a full copy on each
    :param rows: rows of the table (of one copy, if replicated)
    :param checksum: decimal text of the sum; None if only rows were asked for
    :param rows_by_content: rows on each primary segment that has any; of a replicated table, of each copy
    :param distribution: its clause (``DISTRIBUTED BY (id)``); empty if it was taken by a version that kept none
    """

    dbname: str
    oid: int
    fq_name: str
    policy: str
    rows: int
    checksum: str | None
    rows_by_content: Mapping[int, int]
    distribution: str = ""

    @property
    def key(self) -> TableKey:
        return TableKey(self.dbname, self.oid)

    @property
    def name(self) -> str:
        return f"{self.dbname}.{self.fq_name}"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "rows_by_content": {str(k): v for k, v in self.rows_by_content.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TableFingerprint:
        return cls(**{**data, "rows_by_content": {int(k): v for k, v in data["rows_by_content"].items()}})


@dataclass(frozen=True)
class Difference:
    """One table that is not what it was, in words."""

    table: str
    what: str

    def __str__(self) -> str:
        return f"{self.table}: {self.what}"


@dataclass(frozen=True)
class Comparison:
    """Before against after. `differences` and `scattered` empty means proven, for `compared` tables.

    :param scattered: tables that were distributed by a key and are distributed randomly now, in words
    """

    compared: int
    rows: int
    differences: tuple[Difference, ...]
    appeared: tuple[str, ...]
    scattered: tuple[str, ...] = ()


def compare(before: Iterable[TableFingerprint], after: Iterable[TableFingerprint], segments: int) -> Comparison:
    """Compare all tables; also each copy of a replicated table after the expansion against its rows.

    :param segments: number of primaries after the expansion: a replicated table must have that many equal copies
    """
    then = {fingerprint.key: fingerprint for fingerprint in before}
    now = {fingerprint.key: fingerprint for fingerprint in after}
    differences, scattered = [], []
    for key, old in then.items():
        new = now.get(key)
        what = _difference(old, new, segments)
        if what:
            differences.append(Difference(old.name, what))
        if new is not None and new.distribution == RANDOMLY and old.distribution not in ("", RANDOMLY):
            scattered.append(f"{old.name}: it was {old.distribution} and is {RANDOMLY} now")
    appeared = tuple(sorted(now[key].name for key in now.keys() - then.keys()))
    return Comparison(len(then), sum(f.rows for f in then.values()), tuple(differences), appeared, tuple(scattered))


def _difference(old: TableFingerprint, new: TableFingerprint | None, segments: int) -> str:
    if new is None:
        return "it no longer exists"
    if old.rows != new.rows:
        return f"{old.rows} rows before, {new.rows} after"
    if old.checksum is not None and new.checksum is not None and old.checksum != new.checksum:
        return f"{old.rows} rows before and after, but checksum {old.checksum} became {new.checksum}"
    if old.distribution and old.distribution != new.distribution and new.distribution != RANDOMLY:
        return f"it was {old.distribution} and is {new.distribution} now"
    if new.policy == "r" and new.rows:
        copies = [new.rows_by_content.get(content, 0) for content in range(segments)]
        wrong = [str(content) for content, rows in enumerate(copies) if rows != new.rows]
        if wrong:
            return f"it is replicated, but segment {', '.join(wrong)} does not hold all its {new.rows} rows"
    return ""


@dataclass(frozen=True)
class Skew:
    """How evenly rows lie. `worst_ratio` is the fullest segment's rows over the average; 1.0 is even."""

    rows_by_content: Mapping[int, int]
    worst_ratio: float
    worst_tables: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows_by_content": {str(k): v for k, v in self.rows_by_content.items()},
            "worst_ratio": self.worst_ratio,
            "worst_tables": [list(pair) for pair in self.worst_tables],
        }


# Below this many rows a segment, chance alone makes a table look skewed.
_ROWS_A_SEGMENT_TO_JUDGE = 100


def skew(fingerprints: Iterable[TableFingerprint], segments: int, worst: int = 5) -> Skew:
    """Rows per segment over all distributed tables, and the tables that lie least evenly.

    :param segments: number of primaries; one without rows counts as holding none
    """
    total = dict.fromkeys(range(segments), 0)
    judged = []
    for fingerprint in fingerprints:
        if fingerprint.policy == "r":
            continue
        for content, rows in fingerprint.rows_by_content.items():
            total[content] = total.get(content, 0) + rows
        if fingerprint.rows >= _ROWS_A_SEGMENT_TO_JUDGE * segments:
            judged.append((fingerprint.name, _ratio(fingerprint.rows_by_content, segments)))
    judged.sort(key=lambda pair: (-pair[1], pair[0]))
    return Skew(total, _ratio(total, segments), tuple(judged[:worst]))


def _ratio(rows_by_content: Mapping[int, int], segments: int) -> float:
    rows = sum(rows_by_content.values())
    return round(max(rows_by_content.values()) * segments / rows, 3) if rows else 1.0


def skew_by_table(
    before: Iterable[TableFingerprint], after: Iterable[TableFingerprint], segments: tuple[int, int], largest: int = 10
) -> list[tuple[str, int, float, float]]:
    """Of the tables with most rows: name, rows now, and fullest segment over average before and after.

    :param segments: number of primaries before and after
    """
    then = {fingerprint.key: fingerprint for fingerprint in before}
    judged = [
        fingerprint
        for fingerprint in after
        if fingerprint.policy != "r"
        and fingerprint.key in then
        and fingerprint.rows >= _ROWS_A_SEGMENT_TO_JUDGE * segments[1]
    ]
    judged.sort(key=lambda fingerprint: (-fingerprint.rows, fingerprint.name))
    return [
        (
            now.name,
            now.rows,
            _ratio(then[now.key].rows_by_content, segments[0]),
            _ratio(now.rows_by_content, segments[1]),
        )
        for now in judged[:largest]
    ]
