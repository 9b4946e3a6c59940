"""Ask the catalog again and again until every mirror is in sync."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from greenplum_expansion.checks.cluster import check_segments
from greenplum_expansion.checks.finding import errors
from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.facts import read_probed_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook


class ClusterHealthyTrigger(BaseTrigger):
    """Fires ``{"healthy", "problems"}`` when all instances are up and in sync, or patience is over.

    :param greenplum_conn_id: connection of type "greenplum"
    :param poll_interval: seconds between two looks; each is one query
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

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Ids and numbers only."""
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
        began = clock()
        said: list[str] | None = None
        while True:
            problems = await asyncio.to_thread(problems_now, self.greenplum_conn_id)
            if problems != said:
                self.log.info("%s", "; ".join(problems) or "All instances are up and in sync")
                said = problems
            if not problems or clock() - began > self.patience:
                await asyncio.sleep(max(0.0, began + self.initial_delay - clock()))
                yield TriggerEvent({"healthy": not problems, "problems": problems})
                return
            await asyncio.sleep(self.poll_interval)


def problems_now(greenplum_conn_id: str) -> list[str]:
    """What keeps the cluster from being healthy; a coordinator that does not answer is such a thing, too."""
    try:
        return [
            str(finding) for finding in errors(check_segments(read_probed_topology(GreenplumHook(greenplum_conn_id))))
        ]
    except ExpansionError as error:
        return [str(error)]
