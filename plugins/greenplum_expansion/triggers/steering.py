"""Waiting, without a worker, for others: until somebody resumes, or until greenplum_redistribute has moved all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.facts import read_expansion_state
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.redistribution.engine import read_progress
from greenplum_expansion.redistribution.steering import read_steering


class LookingTrigger(BaseTrigger):
    """Looks again and again until it is over.

    What cannot be read is no answer: a cluster that is away for a while is waited for.

    :param greenplum_conn_id: connection of type "greenplum"
    :param poll_interval: seconds between two looks
    :param initial_delay: seconds before the event at the earliest (apache/airflow#72716)
    """

    def __init__(self, greenplum_conn_id: str, poll_interval: float, initial_delay: float) -> None:
        super().__init__()
        self.greenplum_conn_id = greenplum_conn_id
        self.poll_interval = poll_interval
        self.initial_delay = initial_delay

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Ids and numbers only."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "greenplum_conn_id": self.greenplum_conn_id,
                "poll_interval": self.poll_interval,
                "initial_delay": self.initial_delay,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, say what has changed, sleep."""
        clock = asyncio.get_running_loop().time
        earliest = clock() + self.initial_delay
        said = ""
        while True:
            try:
                over, now = await asyncio.to_thread(self._look)
            except ExpansionError as error:
                over, now = False, f"It cannot be looked at: {error}"
            if now != said:
                self.log.info("%s", now)
                said = now
            if over:
                await asyncio.sleep(max(0.0, earliest - clock()))
                yield TriggerEvent({"said": now})
                return
            await asyncio.sleep(self.poll_interval)

    def look(self, hook: GreenplumHook) -> tuple[bool, str]:
        """Whether it is over, and what is to be said; in a thread of its own."""
        raise NotImplementedError

    def _look(self) -> tuple[bool, str]:
        hook = GreenplumHook(self.greenplum_conn_id)
        try:
            return self.look(hook)
        finally:
            hook.close()


class AllMovedTrigger(LookingTrigger):
    """Fires when no table is left to be moved, or when the expansion is in a state in which none can be."""

    def __init__(self, greenplum_conn_id: str, poll_interval: float = 60.0, initial_delay: float = 10.0) -> None:
        super().__init__(greenplum_conn_id, poll_interval, initial_delay)

    def look(self, hook: GreenplumHook) -> tuple[bool, str]:
        """Four short queries and a look at gpexpand's files."""
        phase = read_expansion_state(hook).phase
        waits = phase.may_redistribute or phase is Phase.REDISTRIBUTING
        moves = phase is Phase.REDISTRIBUTING or bool(waits and hook.query("movers_alive"))
        now = "they are being moved" if moves else "nothing moves now" if waits else f"the expansion is '{phase}'"
        return not waits, f"{_left(read_progress(hook))}; {now}"


class ResumedTrigger(LookingTrigger):
    """Fires when somebody has resumed the moves of an expansion, or its window is over.

    :param until: the window's end, in seconds since 1970; None: it has none
    """

    def __init__(
        self,
        greenplum_conn_id: str,
        expansion_id: str,
        until: float | None = None,
        poll_interval: float = 10.0,
        initial_delay: float = 10.0,
    ) -> None:
        super().__init__(greenplum_conn_id, poll_interval, initial_delay)
        self.expansion_id = expansion_id
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As LookingTrigger."""
        path, arguments = super().serialize()
        return path, {**arguments, "expansion_id": self.expansion_id, "until": self.until}

    def look(self, hook: GreenplumHook) -> tuple[bool, str]:
        """Two short queries."""
        steering = read_steering(hook, self.expansion_id)
        is_over = self.until is not None and time.time() >= self.until
        return is_over or not steering.paused, "The window is over" if is_over else f"Now {steering}"


def _left(progress: Progress) -> str:
    left = progress.tables_total - progress.tables_done
    return f"{left} of {progress.tables_total} tables are left" + (
        f", moving {', '.join(progress.moving[:8])}" if progress.moving else ""
    )
