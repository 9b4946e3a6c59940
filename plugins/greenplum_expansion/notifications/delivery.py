"""Using several channels at once, for a bounded time, whatever they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from greenplum_expansion.notifications.channels import Channel

LIMIT = 10.0  # seconds an expansion waits for its notices at most


def on_all(channels: Sequence[Channel], act: Callable[[Channel], None], limit: float = LIMIT) -> dict[str, str]:
    """Do something with each channel, all at the same time.

    :param limit: seconds after which one that has not ended is left to itself: it may still succeed
    :return: by the name of each channel what went wrong; empty if nothing
    """
    wrong: dict[str, str] = {channel.name: f"no answer within {limit:.0f} s" for channel in channels}

    def attempt(channel: Channel) -> None:
        try:
            act(channel)
        except Exception as error:  # noqa: BLE001  a library's error of any kind is told, never raised
            wrong[channel.name] = getattr(error, "cause", None) or f"{type(error).__name__}: {error}"
        else:
            wrong[channel.name] = ""

    # Daemons: a receiver that never answers does not keep the task's process from ending.
    threads = [threading.Thread(target=attempt, args=[channel], daemon=True) for channel in channels]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(wrong)
