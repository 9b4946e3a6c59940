"""Look again and again who is in a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.cluster_facts import read_sessions
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.sessions import waited_for


class SessionsDrainedTrigger(BaseTrigger):
    """Fires ``{"drained", "waiting"}`` when nobody who is waited for is in a transaction, or patience is over.

    Only looks; ends nobody.

    :param greenplum_conn_id: connection of type "greenplum"
    :param protected_roles: roles whose sessions do not count
    :param poll_interval: seconds between two looks; each is one query
    :param patience: seconds after which it gives up
    :param initial_delay: seconds before the event at the earliest (apache/airflow#72716)
    """

    def __init__(
        self,
        greenplum_conn_id: str,
        protected_roles: list[str],
        poll_interval: float = 5.0,
        patience: float = 3600.0,
        initial_delay: float = 10.0,
    ) -> None:
        super().__init__()
        self.greenplum_conn_id = greenplum_conn_id
        self.protected_roles = protected_roles
        self.poll_interval = poll_interval
        self.patience = patience
        self.initial_delay = initial_delay

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Names and numbers only."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "greenplum_conn_id": self.greenplum_conn_id,
                "protected_roles": self.protected_roles,
                "poll_interval": self.poll_interval,
                "patience": self.patience,
                "initial_delay": self.initial_delay,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, log whom it waits for when that changes, sleep."""
        clock = asyncio.get_running_loop().time
        began = clock()
        said: set[int] | None = None
        while True:
            pids, waiting = await asyncio.to_thread(self._waiting_now)
            if pids != said:
                self.log.info("Waiting for: %s", "; ".join(waiting) or "nobody")
                said = pids
            if not waiting or clock() - began > self.patience:
                await asyncio.sleep(max(0.0, began + self.initial_delay - clock()))
                yield TriggerEvent({"drained": not waiting, "waiting": waiting})
                return
            await asyncio.sleep(self.poll_interval)

    def _waiting_now(self) -> tuple[set[int], list[str]]:
        """Processes and what is said of them; a coordinator that does not answer counts as one that is at work."""
        try:
            sessions = waited_for(read_sessions(GreenplumHook(self.greenplum_conn_id)), self.protected_roles)
        except ExpansionError as error:
            return set(), [str(error)]
        return {session.pid for session in sessions}, [str(session) for session in sessions]
