"""Looking at a cluster again and again until it is as it should be, or patience is over."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


@dataclass(frozen=True)
class Look:
    """What one look has shown.

    :param reached: it is as it should be
    :param words: for the log, when `subjects` differ from those of the look before
    :param subjects: what keeps it from being so, without what changes by itself, as an age does
    :param payload: of the event, should this look be the last
    """

    reached: bool
    words: str
    subjects: Collection[Any]
    payload: dict[str, Any]


class PollingTrigger(BaseTrigger):
    """Fires the payload of the last look, and when it was waited, ``"busy"``.

    :param greenplum_conn_id: connection of type "greenplum"
    :param poll_interval: seconds between two looks
    :param patience: seconds after which it gives up
    :param initial_delay: seconds before the event at the earliest (apache/airflow#72716)
    """

    def __init__(
        self, greenplum_conn_id: str, poll_interval: float = 5.0, patience: float = 3600.0, initial_delay: float = 10.0
    ) -> None:
        super().__init__()
        self.greenplum_conn_id = greenplum_conn_id
        self.poll_interval = poll_interval
        self.patience = patience
        self.initial_delay = initial_delay

    @abstractmethod
    def look(self) -> Look:
        """Look once; called in a thread. A coordinator that does not answer is something seen, not an error."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Ids and numbers only; a subclass with parameters of its own adds them."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "greenplum_conn_id": self.greenplum_conn_id,
                "poll_interval": self.poll_interval,
                "patience": self.patience,
                "initial_delay": self.initial_delay,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, log what changed, sleep."""
        clock = asyncio.get_running_loop().time
        began, began_at = clock(), time.time()
        said: Collection[Any] | None = None
        while True:
            seen = await asyncio.to_thread(self.look)
            if seen.subjects != said:
                self.log.info("%s", seen.words)
                said = seen.subjects
            if seen.reached or clock() - began > self.patience:
                busy = [[began_at, time.time()]]
                await asyncio.sleep(max(0.0, began + self.initial_delay - clock()))
                yield TriggerEvent({**seen.payload, "busy": busy})
                return
            await asyncio.sleep(self.poll_interval)
