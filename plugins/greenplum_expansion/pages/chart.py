"""A picture of bytes moved over time: what was, and what is forecast. Numbers for an SVG, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 800, 160
"""Units of the picture; it is scaled to the page."""


@dataclass(frozen=True)
class Chart:
    """Lines as SVG's `points`; empty if there is nothing to draw.

    :param likely: from the last point to the likely end; `range` is the area between the best and the worst
    :param now: where the present is
    :param begin, end: of the time shown, in seconds since 1970
    """

    moved: str
    likely: str
    range: str
    now: float
    begin: float
    end: float


def draw(
    points: Sequence[Sequence[float]], total: int, now: float, ends: Sequence[float | None] = (None, None, None)
) -> Chart | None:
    """None while there is no line to draw.

    :param points: (seconds since 1970, bytes moved)
    :param ends: when everything has moved, at best, likely, at worst; None: not known, or never
    """
    if len(points) < 2 or total <= 0:
        return None
    begin, last = float(points[0][0]), points[-1]
    ahead = [end for end in ends if end is not None and end > last[0]] if last[1] < total else []
    end = max(now, float(last[0]), *ahead)
    span = max(end - begin, 1.0)

    def place(at: float, moved: float) -> str:
        across = (min(max(at, begin), end) - begin) / span * WIDTH
        return f"{across:.1f},{HEIGHT - min(moved / total, 1.0) * HEIGHT:.1f}"

    low, likely, high = ends
    here = place(*last)
    area = [place(edge, total) for edge in (low, high) if edge in ahead and edge is not None]
    return Chart(
        moved=" ".join(place(at, moved) for at, moved in points),
        likely=f"{here} {place(likely, total)}" if likely is not None and likely in ahead else "",
        range=" ".join([here, *area]) if len(area) == 2 else "",
        now=round((now - begin) / span * WIDTH, 1),
        begin=begin,
        end=end,
    )
