"""A forecast in the words and tables a person reads, and beside it what really happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from greenplum_expansion.planning.forecast import ClassForecast, Forecast, Outcome, TableTime
from greenplum_expansion.planning.moves import Span, Volume
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.progress import human_seconds
from greenplum_expansion.planning.section import Section
from greenplum_expansion.planning.windows import parse_zone

_DISKS_SHOWN = 30
_TITLE = "Forecast of the redistribution"


def sections(forecast: Forecast) -> list[Section]:
    """For the approval and the report: what is expected, the largest tables, what fits no window, disks."""
    return [_whole(forecast), *_tables(forecast), *_never(forecast), *_disks(forecast)]


def one_line(forecast: Forecast) -> str:
    """The forecast in a sentence, for a log."""
    return " ".join(_time(forecast))


def human_span(span: Span | ClassForecast | TableTime) -> str:
    """A likely time and its range: "3 h 20 min (2 h 5 min to 5 h 50 min)"."""
    if span.high < 1:
        return "under 1 s"
    return f"{human_seconds(span.likely)} ({human_seconds(span.low)} to {human_seconds(span.high)})"


def _whole(forecast: Forecast) -> Section:
    lines = [
        _what(forecast),
        *_time(forecast),
        *_caveats(forecast),
        *forecast.because,
    ]
    columns = ("What", "Tables", "Bytes", "Rate of a session", "Work of one session", "Rate from")
    rows = tuple(
        (
            one.name,
            str(one.tables),
            human_bytes(one.bytes),
            f"{human_bytes(one.rate)}/s",
            human_span(one),
            one.source,
        )
        for one in forecast.classes
    )
    return Section(_TITLE, tuple(lines), columns if rows else (), rows)


def _what(forecast: Forecast) -> str:
    rows, indexes = human_bytes(forecast.bytes), human_bytes(forecast.index_bytes)
    sessions = forecast.sessions
    return f"{rows} in {forecast.tables} tables and {indexes} of indexes are rewritten, {sessions} tables at a time."


def _time(forecast: Forecast) -> Iterator[str]:
    best, likely, worst = forecast.best, forecast.likely, forecast.worst
    if not forecast.tables:
        yield "There is nothing to move."
        return
    if likely.ends is None:
        yield "No table fits any window that comes, so nothing would move."
        return
    took = f"{human_seconds(likely.seconds)} ({human_seconds(best.seconds)} to {human_seconds(worst.seconds)})"
    if forecast.longest_window is None:
        yield f"Moving takes about {took} without a pause."
    else:
        yield f"Moving takes about {took}, in {_range(best.windows, likely.windows, worst.windows)}."
    ends = f"The last table has moved at about {_moment(likely.ends, forecast.zone)}"
    if best.ends is not None and worst.ends is not None and not worst.never > likely.never:
        yield f"{ends}; {_moment(best.ends, forecast.zone)} at best, {_moment(worst.ends, forecast.zone)} at worst."
    else:
        yield f"{ends}; at worst {worst.never} tables fit no window."


def _caveats(forecast: Forecast) -> Iterator[str]:
    if forecast.doubtful:
        yield (
            f"{forecast.doubtful} more tables fit a window by their likely time, but not by the worst of their range: "
            "they are begun when some moves have shown how fast this cluster is."
        )
    if forecast.leaves:
        most = ", ".join(f"{one.name} {one.leaves}" for one in forecast.partitioned[:5])
        yield f"{forecast.leaves} of the tables are leaf partitions of {forecast.roots}; most have {most}."


def _tables(forecast: Forecast) -> Iterator[Section]:
    if forecast.largest:
        columns = ("Table", "Place", "Bytes with indexes", "Its move takes", "Window", "Begins about")
        rows = tuple(
            (
                table.name,
                str(table.place),
                human_bytes(table.bytes),
                human_span(table),
                str(table.window or "none"),
                _moment(table.starts, forecast.zone) if table.starts is not None else "",
            )
            for table in forecast.largest
        )
        yield Section("Largest tables", (f"Order of the moves: {forecast.order}.",), columns, rows)


def _never(forecast: Forecast) -> Iterator[Section]:
    if not forecast.likely.never:
        return
    lines = [f"{forecast.likely.never} tables, {human_bytes(forecast.never_bytes)}, stay where they are."]
    if forecast.longest_window is not None and forecast.never_seconds > forecast.longest_window:
        lines.append(
            f"The longest move takes about {human_seconds(forecast.never_seconds)}, the longest window has "
            f"{human_seconds(forecast.longest_window)}. Give them a window that long, choose that they move in a "
            "window of their own, or split them into partitions before."
        )
    else:
        lines.append("No window is left for them, or their range is too wide for one: name later or longer windows.")
    columns = ("Table", "Bytes with indexes", "Its move takes")
    rows = tuple((table.name, human_bytes(table.bytes), human_span(table)) for table in forecast.never)
    yield Section("Tables that fit no window", tuple(lines), columns, rows)


def _disks(forecast: Forecast) -> Iterator[Section]:
    if not forecast.disks:
        return
    fullest = sorted(forecast.disks, key=lambda disk: (-disk.peak_bytes / max(1, disk.free_bytes), disk.host))
    columns = ("Filesystem", "Old instances", "New instances", "At most written", "Free now", "Share")
    rows = tuple(
        (
            f"{disk.host}:{disk.mount}",
            str(disk.old),
            str(disk.new),
            human_bytes(disk.peak_bytes),
            human_bytes(disk.free_bytes),
            f"{100 * disk.peak_bytes / max(1, disk.free_bytes):.0f} %",
        )
        for disk in fullest[:_DISKS_SHOWN]
    )
    what = (
        f"Old instances: new copies of the {forecast.sessions} largest tables that move together, with indexes and "
        "TOAST. New ones: all they will hold. Log and sorting come on top."
    )
    lines = [what]
    if len(fullest) > _DISKS_SHOWN:
        lines.append(f"The {_DISKS_SHOWN} fullest of {len(fullest)} filesystems.")
    yield Section("Peak of disk space while tables move", tuple(lines), columns, rows)


@dataclass(frozen=True)
class Happened:
    """What a redistribution came to, from the history.

    :param volumes: tables that moved, by storage class, and how long their moves took (seconds)
    :param windows: in which something moved; 0: there are no windows
    :param began, ended: of the first and of the last move, seconds since 1970; None if nothing moved
    :param failed, left: tables that failed, and that have not moved for another reason
    """

    volumes: Mapping[str, tuple[Volume, float]]
    windows: int
    began: float | None
    ended: float | None
    failed: int
    left: int


def compared(forecast: Forecast, happened: Happened) -> Section:
    """The forecast beside what really happened, for the report."""
    expected = {one.name: one for one in forecast.classes}
    indexes = expected.pop("indexes", None)
    lines = [_ended(forecast.likely, happened, forecast.zone), *_windows(forecast, happened)]
    if happened.failed or happened.left:
        lines.append(f"{happened.failed} tables failed, {happened.left} more have not moved.")
    if indexes is not None:
        lines.append("Real rates count the rows only, though the time of a move includes its indexes.")
    columns = ("What", "Tables", "Forecast", "Bytes", "Forecast", "Rate of a session", "Forecast", "Work", "Forecast")
    rows = tuple(
        _compared_class(name, expected.get(name), *happened.volumes.get(name, (Volume(), 0.0)))
        for name in dict.fromkeys([*expected, *happened.volumes])
    )
    return Section("What was forecast, and what happened", tuple(lines), columns if rows else (), rows)


def _compared_class(name: str, expected: ClassForecast | None, moved: Volume, seconds: float) -> tuple[str, ...]:
    return (
        name,
        str(moved.tables),
        str(expected.tables) if expected else "0",
        human_bytes(moved.bytes),
        human_bytes(expected.bytes) if expected else "0 B",
        f"{human_bytes(moved.bytes / seconds)}/s" if seconds else "",
        f"{human_bytes(expected.rate)}/s" if expected else "",
        human_seconds(seconds),
        human_span(expected) if expected else "",
    )


def _ended(likely: Outcome, happened: Happened, zone: str) -> str:
    if happened.ended is None or happened.began is None:
        return "Nothing has moved."
    really = f"The last move ended at {_moment(happened.ended, zone)}"
    if likely.ends is None:
        return f"{really}; no end was forecast."
    return f"{really}; forecast, when the plan was made, was {_moment(likely.ends, zone)}."


def _windows(forecast: Forecast, happened: Happened) -> Iterable[str]:
    if happened.began is None or happened.ended is None:
        return
    if forecast.longest_window is None:
        took = human_seconds(happened.ended - happened.began)
        yield f"From the first move to the last: {took}; forecast was {_seconds_range(forecast)}."
    else:
        count = _range(forecast.best.windows, forecast.likely.windows, forecast.worst.windows)
        yield f"Windows used: {happened.windows}; forecast: {count}."


def _seconds_range(forecast: Forecast) -> str:
    low, high = human_seconds(forecast.best.seconds), human_seconds(forecast.worst.seconds)
    return f"{human_seconds(forecast.likely.seconds)} ({low} to {high})"


def preview_lines(tables: Sequence[TableTime], zone: str) -> Iterator[str]:
    """The order of the moves, a line a table."""
    for table in tables:
        when = "fits no window" if table.starts is None else f"about {_moment(table.starts, zone)}"
        if table.starts is not None and table.window > 1:
            when += f", window {table.window}"
        yield f"{table.place}. {table.name}, {human_bytes(table.bytes)}, {human_span(table)}, {when}"


def _range(low: int, likely: int, high: int) -> str:
    between = "" if low == likely == high else f" ({low} to {high})"
    return f"{likely} window{'' if likely == 1 else 's'}{between}"


def _moment(seconds: float, zone: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(parse_zone(zone)).strftime("%Y-%m-%d %H:%M %Z")
