"""The hosts' disks from inside the datacenter: where they are, copies of them and back, filling one up.

Runs in the supervisor and in what it starts, as the datacenter's root. Copies are made while the hosts are off.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SYSTEM, _DATA, _SNAPSHOTS = Path("/state/hosts"), Path("/state/disks"), Path("/state/snapshots")
_COMPLETE, _RESTORING = ".complete", ".restoring"
_BALLAST = "ballast"  # beside /data on the data disk, where nothing in the host sees it


def system_disk(host: str) -> Path:
    """All of a host but its /data."""
    return _SYSTEM / host


def data_disk(host: str) -> Path:
    """A host's /data: on a filesystem of its own where the machine has loop devices."""
    own = _DATA / host
    return own / "data" if own.is_dir() else system_disk(host) / "data"


def take_snapshot(hosts: list[str]) -> None:
    """Copy each host's disks to the snapshots, replacing what was there."""
    (_SNAPSHOTS / _COMPLETE).unlink(missing_ok=True)
    _each(hosts, lambda host: [(system_disk(host), _SNAPSHOTS / host), (data_disk(host), _SNAPSHOTS / f"{host}.data")])
    (_SNAPSHOTS / _COMPLETE).touch()


def restore(hosts: list[str]) -> None:
    """Make each host's disks equal their snapshots."""
    if not (_SNAPSHOTS / _COMPLETE).exists():
        raise FileNotFoundError("there is no complete snapshot")
    (_SNAPSHOTS / _RESTORING).touch()
    _each(hosts, lambda host: [(_SNAPSHOTS / host, system_disk(host)), (_SNAPSHOTS / f"{host}.data", data_disk(host))])
    (_SNAPSHOTS / _RESTORING).unlink()


def finish_restoring(hosts: list[str]) -> None:
    """Do again what a crash interrupted: half restored disks must not be started from. Before any host is on."""
    if (_SNAPSHOTS / _RESTORING).exists():
        restore(hosts)


def fill(host: str, megabytes_left: int) -> None:
    """Take the free room of a host's data disk, all but that much.

    :raises FileNotFoundError: the host has no disk of its own
    """
    own = _DATA / host
    if not own.is_dir():
        raise FileNotFoundError(f"{host} has no data disk of its own: this machine has no loop devices")
    empty(host)
    free = os.statvfs(own)
    size = free.f_bavail * free.f_frsize - megabytes_left * 1024 * 1024
    fd = os.open(own / _BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while size > 0:
            try:
                os.posix_fallocate(fd, 0, size)
                break
            except OSError:  # the filesystem wants some of it for its own book-keeping
                size -= 1024 * 1024
    finally:
        os.close(fd)


def empty(host: str) -> None:
    """Give the room back that `fill` took."""
    (_DATA / host / _BALLAST).unlink(missing_ok=True)


def _each(hosts: list[str], pairs: Callable[[str], list[tuple[Path, Path]]]) -> None:
    jobs = [pair for host in hosts for pair in pairs(host)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda job: _copy(*job), jobs))


def _copy(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    # Times are compared to the nanosecond: PostgreSQL rewrites a page within the second and the size stays.
    command = ["rsync", "-aHX", "--delete", "--modify-window=-1", "--whole-file", "--inplace"]
    if source == _SYSTEM / source.name or target == _SYSTEM / target.name:
        command.append("--exclude=/data/")
    command += [f"{source}/", f"{target}/"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"rsync {source} to {target}: {done.stderr.strip()[-500:]}")
