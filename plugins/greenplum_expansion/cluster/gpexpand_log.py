"""What gpexpand writes: lines that begin with a time, some of them followed by lines that do not.

Source: gpexpand 6.24.3, ``gplog.py`` and ``heapchecksum.py``; recording 30_gpexpand_i_plain.
"""

from __future__ import annotations

import re

_STAMPED = re.compile(r"\d{8}:\d\d:\d\d:\d\d:\d+ \S+?:\S+?:\S+?-\[[A-Z]+\]:-")
_CONTROL_DATA_FOLLOWS = "Successfully finished pg_controldata"


class ControlDataFilter:
    """Tells the lines of a log apart that are copies of a segment's control data; fed with every line, in order."""

    def __init__(self) -> None:
        self._in_control_data = False

    def passes(self, line: str) -> bool:
        """False for a line of control data; only the lines right behind the one that announces it can be such."""
        if _STAMPED.match(line):
            self._in_control_data = _CONTROL_DATA_FOLLOWS in line
            return True
        return not self._in_control_data
