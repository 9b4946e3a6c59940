"""The few system calls that Python 3.11 has no name for: namespaces, mounts, reboot, parent-death signal.

Each function raises OSError with the path or flags concerned. Numbers are those of the kernel's headers
(include/uapi/linux/{sched,mount,fs,prctl,reboot}.h).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct

AnyPath = str | os.PathLike[str]

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWTIME = 0x10000000, 0x20000000, 0x40000000, 0x00000080

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2

RB_AUTOBOOT, RB_POWER_OFF = 0x01234567, 0x4321FEDC

_PR_SET_PDEATHSIG = 1
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY, _SYS_MOUNT_SETATTR = -100, 0x8000, 0x1, 442
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203, "s390x": 217, "riscv64": 41}
_NS_GET_PARENT = 0xB702

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Move the calling process (its children, for CLONE_NEWPID) into new namespaces."""
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, kind: int = 0) -> None:
    """Enter the namespace behind `fd` (an open ``/proc/<pid>/ns/*``); `kind` is a CLONE_* flag or 0 for any."""
    _check(_libc.setns(fd, kind), "setns")


def mount(source: AnyPath, target: AnyPath, fstype: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    where = (os.fsencode(source), os.fsencode(target), fstype.encode() or None)
    result = _libc.mount(*where, ctypes.c_ulong(flags), options.encode() or None)
    _check(result, f"mount {fstype or 'bind'} {source} on {target}")


def bind(source: AnyPath, target: AnyPath, *, recursive: bool = True, readonly: bool = False) -> None:
    """Show `source` (file or directory) at `target`, with what is mounted below it; `readonly` covers all of that."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))
    if readonly:
        make_readonly(target)


def make_readonly(target: AnyPath) -> None:
    """Make the mount at `target` and all below it read-only, other flags untouched (mount_setattr, Linux 5.12)."""
    attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, attributes, len(attributes)
    )
    _check(result, f"make {target} read-only")


def umount(target: AnyPath, flags: int = MNT_DETACH) -> None:
    """umount2(2); detached by default: gone from here at once, for others when they let go of it."""
    _check(_libc.umount2(os.fsencode(target), flags), f"umount {target}")


def pivot_into(new_root: AnyPath) -> None:
    """Make the mount `new_root` the root and let go of the old one, which nothing here can reach afterwards."""
    number = _SYS_PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"pivot_root: number unknown for machine type {platform.machine()}")
    os.chdir(new_root)
    _check(_libc.syscall(number, b".", b"."), f"pivot_root {new_root}")
    umount(".")
    os.chdir("/")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` to this process when its parent ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def reboot(how: int) -> None:
    """Restart or power off: inside a pid namespace the kernel ends that namespace's process 1 (SIGHUP or SIGINT)."""
    _check(_libc.reboot(ctypes.c_int(how)), "reboot")


def parent_user_namespace(fd: int) -> int | None:
    """Open the user namespace above the one behind `fd`; None when it is not ours to see (the top)."""
    try:
        return fcntl.ioctl(fd, _NS_GET_PARENT)
    except PermissionError:
        return None
