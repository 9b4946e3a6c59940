"""Looking, while tables move, whether they still may: what a person has set meanwhile, and whether others move, too."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from greenplum_expansion.errors import ActionRefused, ExpansionError
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.redistribution.direct.mover import Control

log = logging.getLogger(__name__)

ReadControl = Callable[[Any], Control]
"""Asked with an open connection to database postgres."""


def nobody_steers(connection: Any) -> Control:
    """Everything stays as it was asked for."""
    return Control()


APPLICATION = "greenplum_expansion watch"
"""By its session a worker that moves tables is known to be alive (movers_alive.sql)."""
EVERY = 2.0
"""Seconds between two looks."""


class Watch:
    """Looks in a thread of its own, so that a slow answer delays no move; calling it gives the latest.

    :param read: what a person has set (greenplum_steer)
    :param began: the row of ``gpexpand.status`` by which the moves began. A newer one is somebody else's: a gpexpand
        started by hand, or a task that took this one for dead. Then everything ends, and is theirs.
    """

    def __init__(
        self, hook: GreenplumHook, began: str, read: ReadControl = nobody_steers, every: float = EVERY
    ) -> None:
        self._hook = hook
        self._began = began
        self._read = read
        self._every = every
        self._latest = Control()
        self._over = threading.Event()
        self._connection: Any = None
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._look(also_others=False)  # the row has just been written
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
        if self._connection is not None:
            self._connection.close()

    def __call__(self) -> Control:
        return self._latest

    def _work(self) -> None:
        while not self._over.wait(self._every):
            self._look()

    def _look(self, *, also_others: bool = True) -> None:
        try:
            connection = self._session()
            said = self._read(connection)
            if also_others and not said.stop and self._is_overtaken(connection):
                because = "gpexpand, or another task of this expansion, has begun to move tables"
                said = Control(said.paused, said.sessions, because)
        except ExpansionError as error:
            # The moves notice by themselves when the cluster does not answer.
            log.debug("Nothing new is known of how to go on: %s", error)
            return
        except Exception:
            log.exception("It could not be looked at how to go on; it is tried again")
            return
        if said.paused != self._latest.paused:
            log.info("Paused: nothing begins until somebody resumes" if said.paused else "Resumed")
        self._latest = said

    def _session(self) -> Any:
        if self._connection is None or self._connection.closed:
            self._connection = self._hook.connect(
                SCHEMA_DATABASE, application_name=APPLICATION, options={"lock_timeout": "10s"}
            )
        return self._connection

    def _is_overtaken(self, connection: Any) -> bool:
        return bool(self._hook.query("moving_since", connection=connection)[0]["updated"] != self._began)


def wait_until_alone(hook: GreenplumHook, seconds: float = 60.0) -> None:
    """No other worker moves tables: one that has just died is gone within a moment.

    :raises ActionRefused: one is still at work after so many seconds
    """
    deadline = time.monotonic() + seconds
    with hook.connected() as connection:
        while rows := hook.query("movers_alive", connection=connection):
            if time.monotonic() > deadline:
                where = ", ".join(f"pid {row['pid']} from {row['client']}" for row in rows)
                raise ActionRefused(
                    "Moving the tables",
                    f"another task moves them ({where} in pg_stat_activity)",
                    "let it go on; look at the runs of greenplum_expand and greenplum_redistribute",
                )
            time.sleep(0.5)
