"""Make a server read its configuration again."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def reload_instance(datadir: Path) -> None:
    """SIGHUP to the postmaster of a data directory.

    :raises FileNotFoundError: no server runs there
    """
    pid = int((datadir / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    os.kill(pid, signal.SIGHUP)
