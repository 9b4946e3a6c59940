"""What is proven after a redistribution, and in which words it is told where it is not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SAMPLE = 10_000
"""Rows of each table that are looked for, unless all are asked for."""


@dataclass(frozen=True)
class Placement:
    """Where the rows of one table lie, against where their hash puts them.

    :param name: ``database.schema.table``
    :param rows: rows looked at
    :param misplaced: by the segment they lie on, how many of them belong elsewhere; segments without any are left out
    """

    name: str
    rows: int
    misplaced: Mapping[int, int]

    def __str__(self) -> str:
        count = sum(self.misplaced.values())
        where = ", ".join(str(content) for content in sorted(self.misplaced))
        return f"{self.name}: {count} of {self.rows} rows looked at lie on segment {where} and belong elsewhere"


@dataclass(frozen=True)
class Whereabouts:
    """Of all hash-distributed tables.

    :param full: every row was looked at, not a sample of each table
    """

    tables: int
    rows: int
    full: bool
    wrong: tuple[Placement, ...]

    @classmethod
    def of(cls, placements: Iterable[Placement], *, full: bool) -> Whereabouts:
        found = list(placements)
        wrong = sorted((one for one in found if one.misplaced), key=lambda one: one.name)
        return cls(len(found), sum(one.rows for one in found), full, tuple(wrong))

    def to_dict(self) -> dict[str, Any]:
        return {"tables": self.tables, "rows": self.rows, "full": self.full}


def newly_invalid(before: Sequence[str] | None, now: Iterable[str]) -> list[str]:
    """Indexes that are invalid now and were not before, in words.

    :param before: those that were invalid then; None if nobody looked
    """
    known = set(before or ())
    return [f"index {name} is not valid" for name in sorted(now) if name not in known]


FAILING = ("not_moved", "misplaced", "scattered", "invalid_indexes", "mirrors")
"""Parts of a proof in which anything listed fails it, whoever writes to the cluster meanwhile."""


def unproven(proof: Mapping[str, Any], *, expect_writes: bool) -> list[str]:
    """All that stands against this proof, in words; empty if it is proven.

    :param proof: of VerifyDistributionOperator; parts it does not know count as not looked at
    :param expect_writes: rows that differ from before are for good reason
    """
    parts = FAILING if expect_writes else (*FAILING, "differences")
    return [str(sentence) for part in parts for sentence in proof.get(part, ())]
