"""The forecast made with the plan, as the page shows it until tables move."""

from __future__ import annotations

from dataclasses import dataclass

from greenplum_expansion.pages.chart import Chart, draw
from greenplum_expansion.pages.expansion import PROGRESS_KEY, zone_of
from greenplum_expansion.pages.legible import PROGRESS, fits, parsed
from greenplum_expansion.pages.records import Records, Run
from greenplum_expansion.planning.forecast import Forecast, Outcome
from greenplum_expansion.planning.windows import parse_zone

_FORECAST_KEY = "forecast"


@dataclass(frozen=True)
class Ahead:
    """What is expected.

    :param chart: None if nothing is expected to move
    """

    forecast: Forecast
    chart: Chart | None

    @property
    def outcomes(self) -> tuple[Outcome, Outcome, Outcome]:
        """At best, likely, at worst."""
        return self.forecast.best, self.forecast.likely, self.forecast.worst

    @property
    def has_windows(self) -> bool:
        """Whether tables wait for any: one without an end is none to count."""
        return self.forecast.longest_window is not None


def read_ahead(records: Records, run: Run) -> Ahead | None:
    """None as long as there is no plan, and as soon as tables that move are counted: then there is more to show.

    :raises Illegible: what was left is no forecast
    """
    made = None
    for _, left in records.left(run.dag_id, run.run_id, keys=(_FORECAST_KEY, PROGRESS_KEY)):
        if left.key == PROGRESS_KEY and fits(left.value, PROGRESS) and any((left.value.get("tables") or {}).values()):
            return None
        if left.key == _FORECAST_KEY:
            made = parsed(left, lambda value: _shown(Forecast.from_dict(value), run))
    return made


def _shown(made: Forecast, run: Run) -> Ahead:
    begin = min([start for start, _ in made.windows], default=made.made)
    ends = [outcome.ends for outcome in (made.best, made.likely, made.worst)]
    try:
        zone = parse_zone(made.zone)
    except ValueError:
        zone = zone_of(run)
    return Ahead(made, draw([[min(begin, made.made), 0]], made.bytes, made.made, ends, made.windows, zone))
