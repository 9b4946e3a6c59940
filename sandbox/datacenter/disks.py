"""Copies of the hosts' disks, and back. Runs in the supervisor, as the datacenter's root, while the hosts are off."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HOSTS, SNAPSHOTS = Path("/state/hosts"), Path("/state/snapshots")
_COMPLETE = ".complete"


def take_snapshot(hosts: list[str]) -> None:
    """Copy each host's disk to the snapshots, replacing what was there."""
    (SNAPSHOTS / _COMPLETE).unlink(missing_ok=True)
    _each(hosts, HOSTS, SNAPSHOTS)
    (SNAPSHOTS / _COMPLETE).touch()


def restore(hosts: list[str]) -> None:
    """Make each host's disk equal its snapshot."""
    if not (SNAPSHOTS / _COMPLETE).exists():
        raise FileNotFoundError("there is no complete snapshot")
    _each(hosts, SNAPSHOTS, HOSTS)


def _each(hosts: list[str], source: Path, target: Path) -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda host: _copy(source / host, target / host), hosts))


def _copy(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    # Times are compared to the nanosecond: PostgreSQL rewrites a page within the second and the size stays.
    command = ["rsync", "-aHX", "--delete", "--modify-window=-1", "--whole-file", "--inplace", f"{source}/", f"{target}/"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"rsync {source} to {target}: {done.stderr.strip()[-500:]}")
