"""Follow a preparation: gpexpand's words, without the control data of every segment between them."""

from __future__ import annotations

from typing import Any

from greenplum_expansion.cluster.gpexpand_log import ControlDataFilter
from greenplum_expansion.triggers.jobs import RemoteJobTrigger


class PreparationTrigger(RemoteJobTrigger):
    """A RemoteJobTrigger that leaves out what gpexpand copies from pg_controldata: some fifty lines a segment."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._filter = ControlDataFilter()

    def is_worth_reading(self, line: str) -> bool:
        """Anything but control data."""
        return self._filter.passes(line)
