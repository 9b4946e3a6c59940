"""Wait until a window opens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from greenplum_expansion.planning.progress import human_seconds

_SAY_EVERY = 3600.0  # seconds
_LONGEST_SLEEP = 60.0  # seconds; a clock that is set meanwhile is noticed after so long


class WindowTrigger(BaseTrigger):
    """Fires ``{"opened": moment}`` when the clock reaches `moment`; holds no worker.

    What is serialized is a moment, not a duration: a triggerer that takes over goes on waiting for the same one.

    :param moment: seconds since 1970
    :param initial_delay: seconds before the event at the earliest (apache/airflow#72716)
    """

    def __init__(self, moment: float, initial_delay: float = 10.0) -> None:
        super().__init__()
        self.moment = moment
        self.initial_delay = initial_delay

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Numbers only."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"moment": self.moment, "initial_delay": self.initial_delay},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep in short pieces, and say now and then for what."""
        earliest = time.time() + self.initial_delay
        said = 0.0
        while (left := max(self.moment, earliest) - time.time()) > 0:
            if time.time() - said >= _SAY_EVERY:
                opens = datetime.fromtimestamp(self.moment, UTC)
                self.log.info("The next window opens at %s UTC, in %s", f"{opens:%Y-%m-%d %H:%M}", human_seconds(left))
                said = time.time()
            await asyncio.sleep(min(left, _LONGEST_SLEEP))
        yield TriggerEvent({"opened": self.moment})
