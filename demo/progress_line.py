"""How far the redistribution is, read from the line that the watching task logs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from demo.screen import Moves

_LINE = re.compile(
    r"Progress: (?P<done>\d+) of (?P<all>\d+) tables, "
    r"(?P<bytes_done>[\d.]+) (?P<unit_done>[KMGT]?i?B) of (?P<bytes>[\d.]+) (?P<unit>[KMGT]?i?B)"
)
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}


def parse(line: str) -> Moves | None:
    """The figures of one line of log; None if it is no line of progress."""
    match = _LINE.search(line)
    if match is None:
        return None
    return Moves(
        tables_done=int(match["done"]),
        tables=int(match["all"]),
        bytes_done=round(float(match["bytes_done"]) * _UNITS[match["unit_done"]]),
        bytes=round(float(match["bytes"]) * _UNITS[match["unit"]]),
    )


def newest(lines: Iterable[str]) -> Moves | None:
    """The last progress in a log; None before the first."""
    found = [moves for line in lines if (moves := parse(line)) is not None]
    return found[-1] if found else None
