"""Extensions (gppkg packages) of the new hosts: compared, and every failure passed over, as in the real gpexpand."""

from __future__ import annotations

from ..console import Console, say
from ..environment import GPHOME
from ..remote import ExecutionError, RemoteCommand

_ARCHIVE = f"{GPHOME}/share/packages/archive"
_COMMAND = f" python -c \"import os; print(os.path.isdir('{_ARCHIVE}'))\" "
_SHOWN = f" python -c \"import os, pickle; print pickle.dumps(os.path.isdir('{_ARCHIVE}'))\" "


def sync_packages(hosts: list[str], console: Console) -> None:
    """Look at each host's package archive. Hosts without trust or software are told of, and fail later."""
    console.info("Syncing Greenplum Database extensions")
    failed: ExecutionError | None = None
    for host in hosts:
        command = RemoteCommand(host, _COMMAND, shown=_SHOWN)
        result = command.run()
        if result.code == 0:
            console.info(f"The packages on {host} are consistent.")
            continue
        failed = ExecutionError(f"non-zero rc: {result.code}", str(command), result)
        console.error(f"{failed}\nTraceback (most recent call last):\nExecutionError: {failed}")
    if failed is not None:
        console.error("Syncing of Greenplum Database extensions has failed.")
        say(f"Traceback (most recent call last):\nExecutionError: {failed}")
        console.warning("Please run gppkg --clean after successful expansion.")
