"""How far a redistribution is, in tables and bytes, and how long it may still take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.planning.plan import human_bytes

_DONE = ("COMPLETED", "NO LONGER EXISTS")


@dataclass(frozen=True)
class Progress:
    """Tables and bytes (main forks) done, and in all; names of the tables moving now."""

    tables_done: int
    tables_total: int
    bytes_done: int
    bytes_total: int
    moving: tuple[str, ...] = ()

    @classmethod
    def empty(cls) -> Progress:
        return cls(0, 0, 0, 0)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], moving: Sequence[str] = ()) -> Progress:
        """From rows ``{status, tables, bytes}``."""
        rows = list(rows)
        done = [row for row in rows if row["status"] in _DONE]
        return cls(
            tables_done=sum(row["tables"] for row in done),
            tables_total=sum(row["tables"] for row in rows),
            bytes_done=sum(row["bytes"] for row in done),
            bytes_total=sum(row["bytes"] for row in rows),
            moving=tuple(moving),
        )

    @property
    def is_complete(self) -> bool:
        return self.tables_done == self.tables_total

    def seconds_left(self, since: Progress, seconds: float) -> float | None:
        """At the rate observed since `since`, `seconds` ago; None while nothing was moved.

        Bytes tell better than tables, as sizes differ by orders of magnitude; tables count where all are tiny.
        """
        moved = self.bytes_done - since.bytes_done
        if moved > 0 and seconds > 0:
            return (self.bytes_total - self.bytes_done) * seconds / moved
        tables = self.tables_done - since.tables_done
        if tables > 0 and seconds > 0:
            return (self.tables_total - self.tables_done) * seconds / tables
        return None

    def say(self, since: Progress, seconds: float) -> str:
        """One line for the log."""
        parts = [
            f"{self.tables_done} of {self.tables_total} tables",
            f"{human_bytes(self.bytes_done)} of {human_bytes(self.bytes_total)}",
        ]
        moved = self.bytes_done - since.bytes_done
        if moved > 0 and seconds > 0:
            parts.append(f"{human_bytes(moved / seconds)}/s")
        left = self.seconds_left(since, seconds)
        if left is not None and not self.is_complete:
            parts.append(f"about {human_seconds(left)} left")
        if self.moving:
            parts.append("moving " + ", ".join(self.moving))
        return ", ".join(parts)


def human_seconds(seconds: float) -> str:
    """Seconds as people say them: "45 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
