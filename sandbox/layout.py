"""What the practice cluster looks like: hosts, addresses, segments, paths. One place, for everybody.

The values are those of ``recordings/05_catalog_before.txt``: a coordinator with its standby, two segment hosts with two
primaries and two mirrors each (mirroring "grouped"), two empty new hosts. Pure: no I/O except `postgres_bin` and
`gpadmin_password`, which are meant for code that runs *inside* a host.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

NETWORK = "10.77.0.0/24"
PREFIX_LENGTH = 24
GATEWAY = "10.77.0.1"  # the bridge: what comes through a relay from outside arrives from here, all else from a host

GPADMIN = "gpadmin"
GPADMIN_UID = 1000
GPHOME = "/usr/local/greenplum-db"
COORDINATOR_PORT = 5432
COORDINATOR_DATA_DIRECTORY = "/data/master/gpseg-1"
DATABASE = "demo"
SSH_PORT = 22

INTERPRETER = "/opt/sandbox/bin/python"
PACKAGE = "/opt/sandbox/sandbox"
FAULTS = Path("/run/sandbox/faults")  # inside a host: read-only view of <state>/faults
PASSWORD_FILE = Path("/etc/sandbox/gpadmin_password")  # inside a host of the cluster, readable by gpadmin

POSTGRES_VERSIONS = (14, 15, 16, 17)
_POSTGRES_ROOT = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Host:
    """One machine of the datacenter. `member`: belongs to the cluster before any expansion, so trusted by it."""

    name: str
    address: str
    member: bool
    data_parents: tuple[str, ...] = ()

    @property
    def last_octet(self) -> int:
        """10.77.0.21 -> 21; also the end of the host's MAC address."""
        return int(self.address.rsplit(".", 1)[1])


HOSTS: tuple[Host, ...] = (
    Host("mdw", "10.77.0.10", True, ("/data/master",)),
    Host("smdw", "10.77.0.11", True, ("/data/master",)),
    Host("sdw1", "10.77.0.21", True, ("/data/primary", "/data/mirror")),
    Host("sdw2", "10.77.0.22", True, ("/data/primary", "/data/mirror")),
    Host("sdw3", "10.77.0.23", False),  # new hosts: whoever expands makes the data directories
    Host("sdw4", "10.77.0.24", False),
)
COORDINATOR = HOSTS[0]
STANDBY = HOSTS[1]


@dataclass(frozen=True)
class Segment:
    """One instance of the cluster as `up` makes it, in the words of ``gp_segment_configuration``."""

    dbid: int
    content: int
    role: str  # 'p' or 'm'; before anything happens it equals preferred_role
    host: str
    port: int
    datadir: str


SEGMENTS: tuple[Segment, ...] = (
    Segment(1, -1, "p", "mdw", COORDINATOR_PORT, COORDINATOR_DATA_DIRECTORY),
    Segment(2, 0, "p", "sdw1", 6000, "/data/primary/gpseg0"),
    Segment(3, 1, "p", "sdw1", 6001, "/data/primary/gpseg1"),
    Segment(4, 2, "p", "sdw2", 6000, "/data/primary/gpseg2"),
    Segment(5, 3, "p", "sdw2", 6001, "/data/primary/gpseg3"),
    Segment(6, 0, "m", "sdw2", 7000, "/data/mirror/gpseg0"),
    Segment(7, 1, "m", "sdw2", 7001, "/data/mirror/gpseg1"),
    Segment(8, 2, "m", "sdw1", 7000, "/data/mirror/gpseg2"),
    Segment(9, 3, "m", "sdw1", 7001, "/data/mirror/gpseg3"),
    Segment(10, -1, "m", "smdw", COORDINATOR_PORT, COORDINATOR_DATA_DIRECTORY),
)


def host(name: str) -> Host:
    """The host of that name.

    :raises KeyError: with the names there are
    """
    for candidate in HOSTS:
        if candidate.name == name:
            return candidate
    raise KeyError(f"no host {name!r}; there are {', '.join(h.name for h in HOSTS)}")


def postgres_bin(root: Path = _POSTGRES_ROOT) -> Path:
    """Directory of PostgreSQL's own programs, of the newest version the sandbox accepts (``$SANDBOX_POSTGRES`` wins).

    :raises FileNotFoundError: none of `POSTGRES_VERSIONS` is installed
    """
    wanted = os.environ.get("SANDBOX_POSTGRES")
    versions = [int(wanted)] if wanted and re.fullmatch(r"\d+", wanted) else sorted(POSTGRES_VERSIONS, reverse=True)
    for version in versions:
        directory = root / str(version) / "bin"
        if (directory / "initdb").exists():
            return directory
    wanted = ", ".join(map(str, versions))
    raise FileNotFoundError(f"No PostgreSQL server of version {wanted} under {root}. Next: apt-get install postgresql")


def gpadmin_password() -> str:
    """Password of the role gpadmin for logins from outside, as the state directory keeps it (inside mdw and smdw)."""
    return PASSWORD_FILE.read_text().strip()
