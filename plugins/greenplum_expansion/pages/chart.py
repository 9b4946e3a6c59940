"""A picture of bytes moved over time: what was, what is forecast, and the window. Numbers for an SVG, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 800, 160
"""Units of the picture; it is scaled to the page."""


@dataclass(frozen=True)
class Chart:
    """Lines as SVG's `points`, empty if there is nothing to draw.

    :param window: left edge and width of the window that is open, or comes next; None: none with an end
    :param now: where the present is
    """

    moved: str
    forecast: str
    window: tuple[float, float] | None
    now: float
    begin: float
    end: float
    total: int


def draw(progress: Mapping[str, Any]) -> Chart | None:
    """From a progress record; None while there is no line to draw."""
    points: Sequence[Sequence[float]] = progress.get("points") or ()
    total = int(progress.get("bytes", {}).get("total") or 0)
    if len(points) < 2 or total <= 0:
        return None
    now = float(progress["at"])
    ahead: list[Sequence[float]] = list(progress.get("forecast") or ())
    likely = (progress.get("eta") or {}).get("likely")
    if not ahead and likely and likely > now:
        ahead = [[points[-1][0], points[-1][1]], [float(likely), float(total)]]
    begin = float(points[0][0])
    end = max(now, *(float(at) for at, _ in [*points, *ahead]))
    span = max(end - begin, 1.0)

    def across(at: float) -> float:
        return round((min(max(at, begin), end) - begin) / span * WIDTH, 1)

    def line(of: Sequence[Sequence[float]]) -> str:
        return " ".join(f"{across(at)},{round(HEIGHT - min(count / total, 1.0) * HEIGHT, 1)}" for at, count in of)

    window = progress.get("window") or {}
    shaded = None
    if window.get("start") is not None and window.get("end") is not None:
        left, right = across(window["start"]), across(window["end"])
        shaded = (left, round(right - left, 1)) if right > left else None
    return Chart(line(points), line(ahead), shaded, across(now), begin, end, total)
