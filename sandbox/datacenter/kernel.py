"""What makes the one kernel look like a host's own: uptime, boot id, and settings that namespaces do not divide.

A setting of the whole machine (``vm.*``, some of ``kernel.*``, ``fs.*`` and ``net.core.*``) must not be touched from
inside, yet preparing a host means setting it. So a file of the host lies over it: `sysctl -w`, `-p` and `cat` work as
ever, the value is the host's own until it reboots, and only the machine does not notice. Settings a namespace does own
are the kernel's.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from pathlib import Path

from sandbox.datacenter import linux

# Directory inside a host that holds the files laid over the kernel's.
SETTINGS = Path("/run/kernel")
_HUGEPAGES = "sys/kernel/mm/transparent_hugepage"
_CHOICES = "choices"  # files of which one word is chosen, in brackets
_LOOP = 7  # major number of loop devices
_SHARED = [
    "vm/overcommit_memory",
    "vm/overcommit_ratio",
    "vm/overcommit_kbytes",
    "vm/swappiness",
    "vm/zone_reclaim_mode",
    "vm/min_free_kbytes",
    "vm/dirty_expire_centisecs",
    "vm/dirty_writeback_centisecs",
    "vm/dirty_background_ratio",
    "vm/dirty_ratio",
    "vm/dirty_background_bytes",
    "vm/dirty_bytes",
    "vm/nr_hugepages",
    "vm/max_map_count",
    "kernel/core_pattern",
    "kernel/core_uses_pid",
    "kernel/sysrq",
    "kernel/pid_max",
    "kernel/threads-max",
    "kernel/shmmax",
    "kernel/shmall",
    "kernel/shmmni",
    "kernel/sem",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/randomize_va_space",
    "kernel/numa_balancing",
    "fs/file-max",
    "fs/aio-max-nr",
    "fs/nr_open",
    "fs/suid_dumpable",
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/core/rmem_default",
    "net/core/wmem_default",
    "net/core/netdev_max_backlog",
    "net/ipv4/tcp_mem",
]


def start_clock() -> None:
    """Let the uptime of the next child begin now (a time namespace, Linux 5.6); processes keep their ages.

    Without them `uptime` and `who -b` show the machine's: said in the log, harmless.
    """
    try:
        linux.unshare(linux.CLONE_NEWTIME)
        offset = -int(time.clock_gettime(time.CLOCK_BOOTTIME))
        Path("/proc/self/timens_offsets").write_text(f"boottime {offset} 0\n")
    except OSError as error:
        print(f"uptime is the machine's: {error}", flush=True)


def lay_settings(root: Path) -> None:
    """Cover shared settings below `root` (its /proc and /run are mounted) and give this boot an id of its own."""
    for name in _SHARED:
        target = root / "proc/sys" / name
        if target.exists() and not os.access(target, os.W_OK):
            _cover(root, target, name, target.read_text())
    _cover(root, root / "proc/sys/kernel/random/boot_id", "boot_id", f"{uuid.uuid4()}\n")
    (_inside(root) / _CHOICES).mkdir()
    for name in ("enabled", "defrag"):
        target = root / _HUGEPAGES / name
        if target.exists():
            _cover(root, target, f"{_CHOICES}/{name}", target.read_text())
    _lay_disk_settings(root)


def _lay_disk_settings(root: Path) -> None:
    """Read-ahead and scheduler of the loop device under /data, if it has one: the host's own, too."""
    device = (root / "data").stat().st_dev
    queue = Path(os.path.realpath(root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}")) / "queue"
    if os.major(device) != _LOOP or not queue.is_dir():
        return
    _cover(root, queue / "read_ahead_kb", "read_ahead_kb", (queue / "read_ahead_kb").read_text())
    _cover(root, queue / "scheduler", f"{_CHOICES}/scheduler", (queue / "scheduler").read_text())


def choose_at_boot(path: Path, word: str) -> None:
    """Set one of the files with a choice before `Choices` looks at them."""
    path.write_text(chosen(path.read_text(), word))


def _cover(root: Path, target: Path, name: str, text: str) -> None:
    own = _inside(root) / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(text)
    linux.bind(own, target)


def _inside(root: Path) -> Path:
    return root / SETTINGS.relative_to("/")


class Choices:
    """Answers a write to ``transparent_hugepage/*`` and to a disk's scheduler as the kernel does: chosen word in
    brackets, wrong ones ignored."""

    DIRECTORY = SETTINGS / _CHOICES

    def __init__(self) -> None:
        self._texts = {path: path.read_text() for path in self.DIRECTORY.iterdir()}

    def answer(self) -> None:
        """Look at the files; called when one of them was written."""
        for path, known in self._texts.items():
            now = path.read_text()
            if now in (known, ""):  # empty: being written
                continue
            self._texts[path] = chosen(known, now.strip())
            path.write_text(self._texts[path])


def chosen(choices: str, word: str) -> str:
    """``always [madvise] never`` and ``never`` make ``always madvise [never]``."""
    words = re.sub(r"[\[\]]", "", choices).split()
    if word not in words:
        return choices
    end = choices[len(choices.rstrip()) :]  # a blank behind the schedulers, and the end of the line
    return " ".join(f"[{w}]" if w == word else w for w in words) + (end or "\n")
