"""Where a utility runs: installation, coordinator data directory, port, user, host."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from .errors import UtilityError

GPHOME = "/usr/local/greenplum-db"
FAULTS = Path("/run/sandbox/faults")
"""Files named for a fault, their content its value: a read-only view of the sandbox's state directory."""


@dataclass(frozen=True)
class Environment:
    """The coordinator as the utilities see it from their environment variables."""

    gphome: str
    data_directory: Path
    port: int
    user: str
    hostname: str


def read_environment() -> Environment:
    """Read ``MASTER_DATA_DIRECTORY`` (Greenplum 7: ``COORDINATOR_DATA_DIRECTORY``), ``PGPORT``, ``GPHOME``.

    :raises UtilityError: in the words of gppylib, when there is no data directory
    """
    directory = os.environ.get("MASTER_DATA_DIRECTORY") or os.environ.get("COORDINATOR_DATA_DIRECTORY")
    if not directory:
        raise UtilityError("Environment Variable MASTER_DATA_DIRECTORY not set!")
    if not Path(directory).is_dir():
        raise UtilityError(f"MASTER_DATA_DIRECTORY {directory} does not exist or is not a directory")
    return Environment(
        gphome=os.environ.get("GPHOME", GPHOME),
        data_directory=Path(directory),
        port=int(os.environ.get("PGPORT") or 5432),
        user=getpass.getuser(),
        hostname=socket.gethostname().split(".")[0],
    )


def fault(name: str) -> str | None:
    """The value of a fault that is set, or None."""
    try:
        return (FAULTS / name).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
