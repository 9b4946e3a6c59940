"""The hosts' data disks: one sparse file each, with a filesystem of its own, so that `df` and a full disk are real.

A loop device carries the filesystem; the kernel lets go of both when the last process of the sandbox ends. Machines
without loop devices (some containers) get plain directories instead: all works but the fault disk-full.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import stat
import subprocess
import time
from pathlib import Path

from sandbox import layout
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.preflight import find_program
from sandbox.datacenter.state import State

_BASE_MB, _PER_MB = 8192, 8  # primary and mirror, old and new copy while a table moves, WAL, and room to spare
_NEED_MB, _NEED_PER_MB = 2048, 12  # measured: 2.8 GB in all for 200 MB of tables before, 4 GB after an expansion
_TRIES = 5
_PATIENCE = 15.0  # seconds for the kernel to let go of the filesystems of a sandbox that just ended


def disk_size(table_mb: int) -> int:
    """Size in MB of each host's disk for so much table data. Sparse: what is not written takes no room."""
    return _BASE_MB + _PER_MB * table_mb


def check_room(state: State, table_mb: int) -> None:
    """Refuse a directory on a disk that is too full.

    :raises SandboxError: less is free than cluster, redistribution and the copy for `reset` take
    """
    need, free = _NEED_MB + _NEED_PER_MB * table_mb, shutil.disk_usage(state.directory).free // 1024**2
    if free < need:
        raise SandboxError(
            f"There is no room for the sandbox in {state.directory}",
            f"{table_mb} MB of tables need about {need} MB, {free} MB are free",
            "choose another --state-dir, or a smaller --size",
        )


def image(state: State, host: str) -> Path:
    """The file that is a host's data disk."""
    return state.disks / f"{host}.img"


def try_images(state: State) -> str | None:
    """Can this machine mount an image? None, or why not."""
    for program in ("mkfs.ext4", "mount", "losetup"):
        if find_program(program) is None:
            return f"{program} is missing (Debian: e2fsprogs, mount)"
    if not Path("/dev/loop-control").exists():
        return "there is no /dev/loop-control"
    trial = state.run / "trial.img"
    command = 'mount -o loop,ro "$1" "$2" && umount "$2"'
    try:
        make_image(trial, 16, 0)
        done = _with_a_device(["unshare", "--mount", "sh", "-c", command, "sh", str(trial), str(state.keys)])
    except SandboxError as error:
        return error.cause
    finally:
        trial.unlink(missing_ok=True)
    return done.stderr.strip() or "mount failed" if done.returncode else None


def make_image(path: Path, megabytes: int, owner: int) -> None:
    """Make an empty disk, whose root directory belongs to uid `owner`.

    :raises SandboxError: no room, or mkfs failed
    """
    beside = path.with_suffix(".part")
    with beside.open("wb") as stream:
        stream.truncate(megabytes * 1024 * 1024)
    options = f"nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner={owner}:{owner}"
    command = [find_program("mkfs.ext4") or "mkfs.ext4", "-q", "-F", "-m", "0", "-E", options, str(beside)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(f"No disk {path} was made", f"mkfs.ext4: {done.stderr.strip()}", "make room there")
    beside.rename(path)


def mount_images(state: State, directory: Path) -> None:
    """Mount every host's disk below `directory`, in the caller's mount namespace, which must be its own."""
    for host in layout.HOSTS:
        target = directory / host.name
        target.mkdir()
        done = _with_a_device(
            ["mount", "-o", "loop,nosuid,nodev,noatime,discard", str(image(state, host.name)), str(target)]
        )
        if done.returncode != 0:
            raise SystemExit(
                f"The disk of {host.name} cannot be mounted. Cause: {done.stderr.strip()}. Next: `losetup -a` shows "
                f"the loop devices in use; `python -m sandbox down --purge` starts anew."
            )


def _with_a_device(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run what takes a loop device; again if it fails, as another sandbox may take the same free one at that moment."""
    for _ in range(_TRIES):
        _make_device_node()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
        time.sleep(random.uniform(0, 0.2))
    return done


def _make_device_node() -> None:
    """Make the next free loop device's node where nobody does it: a container's /dev is not the kernel's."""
    found = subprocess.run(["losetup", "-f"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    device = Path(found.stdout.strip())
    number = device.name.removeprefix("loop")
    if number.isdigit() and not device.exists():
        with contextlib.suppress(FileExistsError, PermissionError):  # made meanwhile; or mount says what is missing
            os.mknod(device, 0o660 | stat.S_IFBLK, os.makedev(7, int(number)))


def wait_until_released(state: State) -> None:
    """Return when no loop device holds a disk of this sandbox; mounting it a second time would destroy it.

    :raises SandboxError: somebody else holds one
    """
    deadline = time.monotonic() + _PATIENCE
    while held := _held(state):
        if time.monotonic() > deadline:
            devices = ", ".join(f"{device} ({path})" for device, path in held.items())
            raise SandboxError(
                "Disks of the sandbox are still in use", f"loop devices hold them: {devices}", "umount, or losetup -d"
            )
        time.sleep(0.02)


def _held(state: State) -> dict[str, str]:
    held = {}
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            path = backing.read_text().strip().removesuffix(" (deleted)")
        except OSError:
            continue  # let go of meanwhile
        if Path(path).parent == state.disks:
            held[backing.parts[3]] = path
    return held
