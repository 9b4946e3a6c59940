"""Looking at a redistribution from outside: how far it is, how fast tables have moved lately, when it may be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning import outlook
from greenplum_expansion.planning.moves import Rates, Storage
from greenplum_expansion.planning.outlook import Outlook, Standing
from greenplum_expansion.planning.rates import FinishedMove, learn_all
from greenplum_expansion.planning.windows import Calendar
from greenplum_expansion.redistribution.steering import Steering, look_at_steering
from greenplum_expansion.request.windows import WindowsSection

_LATEST = 500  # finished moves learned from at a look
_RECENT = 600.0  # seconds of which the rate of all sessions together is told


@dataclass(frozen=True)
class Watched:
    """What a trigger must know of an expansion: no secrets, some hundred bytes.

    :param sessions: tables that move at a time
    :param windows: the request's fields of `WindowsSection`
    :param rates: how fast tables were believed to move before any had (``Rates.to_dict``)
    """

    expansion_id: str
    sessions: int
    windows: Mapping[str, Any]
    rates: Mapping[str, Any]

    def calendar(self) -> Calendar:
        """When its tables may move."""
        return WindowsSection(**self.windows).calendar()

    def to_dict(self) -> dict[str, Any]:
        return {
            "expansion_id": self.expansion_id,
            "sessions": self.sessions,
            "windows": dict(self.windows),
            "rates": dict(self.rates),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Watched:
        return cls(**data)


@dataclass(frozen=True)
class Seen:
    """One look.

    :param rate: bytes a second of all sessions together, of late; None: nothing has ended yet
    :param sessions: as steered by a person, else as asked for
    :param steering: who has steered it, and whether it is paused
    """

    at: datetime
    standing: Standing
    outlook: Outlook
    rates: Rates
    rate: float | None
    sessions: int
    steering: Steering

    @property
    def paused(self) -> bool:
        return self.steering.paused

    @property
    def news(self) -> tuple[Any, ...]:
        """Another one when there is something to be told."""
        return self.standing, self.sessions, self.steering

    def say(self) -> str:
        """One line for a log."""
        line = outlook.say(self.standing, self.outlook, self.rate)
        return f"{line}; paused" if self.paused else line

    def to_dict(self) -> dict[str, Any]:
        """For pages."""
        told = outlook.to_dict(self.standing, self.outlook, self.rates, self.rate, self.at)
        steered = {"paused": self.paused, "by": self.steering.changed_by, "since": self.steering.changed_at}
        return {**told, "sessions": self.sessions, "steered": steered}


class Watcher:
    """Looks again and again, and learns from each move that has ended meanwhile."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._calendar = watched.calendar()
        self._rates = Rates.from_dict(watched.rates)
        self._since = "-infinity"
        self._marks: list[tuple[datetime, int]] = []

    def look(self, hook: GreenplumHook, now: datetime) -> Seen | None:
        """A few short queries over one session; None if no table is listed yet, or any more.

        :param now: UTC
        """
        given = {"expansion_id": self._watched.expansion_id}
        with hook.connected(SCHEMA_DATABASE) as connection:
            listed = hook.query("expansion_schema_exists", connection=connection)[0]["status_exists"]
            if not listed or not hook.query("history_exists", connection=connection)[0]["history_exists"]:
                return None
            rows = hook.query("redistribution_volumes", given, connection=connection)
            moving = hook.query("tables_being_moved", connection=connection)
            wanted = {**given, "since": self._since, "most": _LATEST}
            finished = hook.query("moves_finished_since", wanted, connection=connection)
            steering = look_at_steering(hook, self._watched.expansion_id, connection)
        if finished:
            self._since = finished[-1]["finished"]
            moves = (
                FinishedMove(Storage(row["storage"]), row["bytes"], row["index_bytes"], row["seconds"])
                for row in finished
            )
            self._rates = learn_all(self._rates, moves)
        standing = Standing.from_rows(rows, [f"{row['dbname']}.{row['fq_name']}" for row in moving])
        sessions = steering.sessions or self._watched.sessions
        ahead = outlook.look_ahead(standing, self._rates, self._calendar, sessions, now)
        return Seen(now, standing, ahead, self._rates, self._rate(now, standing.done.bytes), sessions, steering)

    def _rate(self, now: datetime, done: int) -> float | None:
        """Of the last minutes: a moving average that forgets a pause between windows."""
        self._marks.append((now, done))
        while len(self._marks) > 2 and (now - self._marks[1][0]).total_seconds() > _RECENT:
            self._marks.pop(0)
        first, before = self._marks[0]
        seconds = (now - first).total_seconds()
        return (done - before) / seconds if seconds > 0 and done > before else None
