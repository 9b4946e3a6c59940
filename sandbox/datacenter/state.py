"""The state directory: everything one sandbox owns on the machine lies in it, and only this module knows where.

::

    sandbox.json       first uid of the sandbox's range, ports of the relays   hosts/<host>/   the hosts' system disks
    connection.json    for Airflow (mode 600)                                  disks/          their data disks (images)
    keys/              client key, host keys, the cluster's key, password      snapshots/      copies of all of these
    faults/            one file a fault                                        logs/           supervisor and hosts
    run/               lock, control socket
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox import layout
from sandbox.datacenter.errors import SandboxError

UIDS = 65536  # uids and gids of one sandbox, as many as Debian's own range for containers
_FIRST_BASE, _LAST_BASE = 0x30000000, 0x6F000000  # systemd's and Debian's documented space for container uids
_PORTS: Sequence[int] = range(
    20000, 32000
)  # below the kernel's ephemeral ports, so no outgoing connection can take one


@dataclass(frozen=True)
class Settings:
    """What is decided at the first `up` and kept: see `sandbox.json`."""

    uid_base: int
    ports: dict[str, int]  # "<host>:<port inside>" -> port on 127.0.0.1
    disk_mb: int  # size of each host's data disk; 0: plain directories


class State:
    """Paths and small files of one state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.hosts = self.directory / "hosts"
        self.disks = self.directory / "disks"
        self.snapshots = self.directory / "snapshots"
        self.faults = self.directory / "faults"
        self.keys = self.directory / "keys"
        self.logs = self.directory / "logs"
        self.run = self.directory / "run"
        self.connection = self.directory / "connection.json"
        self.client_key = self.keys / "id_client"
        self.known_hosts = self.keys / "known_hosts"
        self.lock = self.run / "lock"
        self.control = self.run / "control.sock"
        self.settings_file = self.directory / "sandbox.json"

    @classmethod
    def chosen(cls, option: str | None) -> State:
        """``--state-dir``, else ``$SANDBOX_HOME``, else ``.sandbox`` in the working directory."""
        return cls(Path(option or os.environ.get("SANDBOX_HOME") or ".sandbox"))

    def exists(self) -> bool:
        """Was `up` ever run here?"""
        return self.settings_file.exists()

    def save(self, settings: Settings) -> None:
        """Write `sandbox.json`."""
        write_atomically(self.settings_file, json.dumps(asdict(settings), indent=1) + "\n", 0o644)

    def make_directories(self, uid_base: int) -> None:
        """Create what is missing of the tree (also after somebody emptied parts of it).

        What the hosts write belongs to the sandbox's own root, uid `uid_base`.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        for path, mode, owner in (
            (self.run, 0o700, 0),
            (self.keys, 0o700, 0),
            (self.faults, 0o755, 0),
            (self.disks, 0o700, 0),
            (self.hosts, 0o755, uid_base),
            (self.snapshots, 0o755, uid_base),
            (self.logs, 0o755, uid_base),
        ):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
            os.chown(path, owner, owner)

    def settings(self) -> Settings:
        """Read `sandbox.json`.

        :raises SandboxError: there is none, or it cannot be read
        """
        try:
            raw: dict[str, Any] = json.loads(self.settings_file.read_text())
            ports = {str(k): int(v) for k, v in raw["ports"].items()}
            return Settings(int(raw["uid_base"]), ports, int(raw.get("disk_mb", 0)))
        except FileNotFoundError:
            raise SandboxError(
                f"No sandbox in {self.directory}",
                f"{self.settings_file.name} is missing there",
                "run `python -m sandbox up`, or name the directory with --state-dir or $SANDBOX_HOME",
            ) from None
        except (ValueError, KeyError, AttributeError) as error:
            raise SandboxError(
                f"{self.settings_file} cannot be read",
                f"{type(error).__name__}: {error}",
                "remove the state directory and run `python -m sandbox up` again",
            ) from error

    def password(self) -> str:
        """Password of gpadmin for logins from outside; made up once."""
        path = self.keys / "gpadmin_password"
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(18) + "\n", 0o600)
        return path.read_text().strip()

    def is_running(self) -> bool:
        """Does a supervisor hold the lock? The kernel lets go of it with the last process, so it is never stale."""
        try:
            fd = os.open(self.lock, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    @contextlib.contextmanager
    def exclusively(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Keep other commands off this directory meanwhile; `waiting` is called when one of them has to end first."""
        self.directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Delete the whole directory."""
        shutil.rmtree(self.directory)


def write_atomically(path: Path, text: str, mode: int) -> None:
    """Write beside and rename, so that a reader sees the old text or the new."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as stream:
        os.fchmod(fd, mode)
        stream.write(text)
    beside.rename(path)


def choose_uid_base(directory: Path) -> int:
    """First uid of a range no user, no /etc/subuid entry and no running process has.

    Starts at a place that depends on the directory, so that two sandboxes differ even if neither runs.
    :raises SandboxError: this process may not map that many uids (a container with a small range of its own)
    """
    allowed = _ranges_of(Path("/proc/self/uid_map").read_text(), column=0)
    taken = {uid // UIDS for uid in _uids_in_use()}
    for first, count in _ranges_of(_subuid_text(), column=1, separator=":"):
        taken.update(range(first // UIDS, (first + count) // UIDS + 1))
    slots = (_LAST_BASE - _FIRST_BASE) // UIDS
    start = int.from_bytes(hashlib.sha256(os.fsencode(directory)).digest(), "big") % slots
    for step in range(slots):
        base = _FIRST_BASE + (start + step) % slots * UIDS
        if base // UIDS not in taken and any(first <= base and base + UIDS <= first + n for first, n in allowed):
            return base
    ranges = ", ".join(f"{first}+{count}" for first, count in allowed)
    raise SandboxError(
        "The sandbox cannot have uids of its own",
        f"this process may use the uids {ranges} only, none of them {UIDS} free ones from {_FIRST_BASE} on",
        "run it as the machine's root, or in a container without user namespace remapping",
    )


def choose_ports(wanted: list[str]) -> dict[str, int]:
    """A free port of 127.0.0.1 for each relay.

    :raises SandboxError: there are not that many
    """
    ports: dict[str, int] = {}
    candidates = list(_PORTS)
    secrets.SystemRandom().shuffle(candidates)
    for port in candidates:
        if len(ports) == len(wanted):
            break
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports[wanted[len(ports)]] = port
    if len(ports) < len(wanted):
        raise SandboxError(
            "The relays have no free ports", f"tried {_PORTS} of 127.0.0.1", "end what listens there (ss -ltn)"
        )
    return ports


def relay_names() -> list[str]:
    """The relays: SQL and SSH of the coordinator for clients, SSH of each other host for `python -m sandbox ssh`."""
    sql = f"{layout.COORDINATOR.name}:{layout.COORDINATOR_PORT}"
    return [sql, *(f"{h.name}:{layout.SSH_PORT}" for h in layout.HOSTS)]


def _ranges_of(text: str, column: int, separator: str | None = None) -> list[tuple[int, int]]:
    ranges = []
    for line in text.splitlines():
        fields = line.split(separator)
        if len(fields) >= 3 and fields[column].isdigit() and fields[2].isdigit():
            ranges.append((int(fields[column]), int(fields[2])))
    return ranges


def _subuid_text() -> str:
    texts = [Path(p).read_text() for p in ("/etc/subuid", "/etc/subgid") if Path(p).exists()]
    return "\n".join(texts)


def _uids_in_use() -> set[int]:
    uids = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                uids.add(entry.stat().st_uid)
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended meanwhile
    return uids
