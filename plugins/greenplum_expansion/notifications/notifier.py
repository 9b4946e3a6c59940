"""A notice as an Airflow notifier: over all channels of the request, once, in bounded time, without ever failing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseNotifier

from greenplum_expansion.notifications.channels import Channel, open_channels
from greenplum_expansion.notifications.delivery import on_all
from greenplum_expansion.notifications.notice import Notice
from greenplum_expansion.request import NoticesSection

log = logging.getLogger(__name__)

_REMEMBERED = timedelta(days=400)


class NoticeNotifier(BaseNotifier):
    """Tells one thing, to whom the request says.

    What was sent is remembered with the task (Airflow's task state store, which survives retries and clearing), each
    channel for itself: a retry sends again only what did not get through. Killed between sending and remembering, it is
    sent twice.

    :param wishes: the request
    :param occurrence: tells one happening of an event from the next
    """

    def __init__(self, wishes: NoticesSection, notice: Notice, occurrence: str = "") -> None:
        super().__init__()
        self.wishes = wishes
        self.notice = notice
        self.occurrence = occurrence

    def notify(self, context: Any) -> None:
        """Send; what goes wrong is a warning in the log."""
        if not self.wishes.tells_somebody or self.notice.event not in self.wishes.notice_events:
            return
        channels, wrong = open_channels(self.wishes)
        left = [channel for channel in channels if not self._remembered(context, channel)]
        results = on_all(left, lambda channel: channel.notifier(self.notice).notify({}))
        for name, problem in (wrong | results).items():
            if problem:
                log.warning("Notice '%s' was not sent by %s: %s", self.notice.event, name, problem)
            else:
                log.info("Notice '%s' sent by %s", self.notice.event, name)
        for channel in left:
            if not results[channel.name]:
                self._remember(context, channel)

    def _key(self, channel: Channel) -> str:
        what = f"{self.notice.event}\0{self.occurrence}\0{channel.name}"
        return "notice-" + hashlib.sha256(what.encode()).hexdigest()[:32]

    def _remembered(self, context: Mapping[str, Any], channel: Channel) -> bool:
        store = context.get("task_state_store")
        if store is None:
            return False
        try:
            return store.get(self._key(channel)) is not None
        except Exception as error:  # noqa: BLE001  better twice than not at all
            log.warning("Whether the notice was sent before is not known: %s", error)
            return False

    def _remember(self, context: Mapping[str, Any], channel: Channel) -> None:
        store = context.get("task_state_store")
        if store is None:
            return
        try:
            store.set(self._key(channel), self.notice.event.value, retention=_REMEMBERED)
        except Exception as error:  # noqa: BLE001  it was sent, which is what counts
            log.warning("That the notice was sent could not be noted: %s", error)
