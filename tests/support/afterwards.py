"""Ending what a test process has started, even if that process is killed: hosts and an Airflow outlive their parent."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A word on its input means that all was ended in good order; the end of its input, that whoever held it is gone.
_GUARD = 'read -r word || exec "$@"'


@contextmanager
def ended_if_we_are_killed(command: Sequence[str]) -> Iterator[None]:
    """For the length of the block somebody waits who runs this command should this process end within it."""
    with subprocess.Popen(
        ["sh", "-c", _GUARD, "sh", *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C is not meant for it
    ) as guard:
        yield
        guard.communicate("ended\n")
