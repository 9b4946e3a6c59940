"""How fast the new hosts must be, and how that is measured."""

from __future__ import annotations

from enum import StrEnum

from greenplum_expansion.request.section import Section, field

_HARDWARE = "Hardware of the new hosts"


class HardwareCheck(StrEnum):
    """Which hosts gpcheckperf runs on."""

    COMPARED = "new hosts, compared with existing ones"
    NEW = "new hosts only"
    NONE = "none"


class HardwareSection(Section):
    """What is measured, and below which figures the expansion stops or warns."""

    hardware_check: HardwareCheck = field(
        _HARDWARE,
        "Measure with gpcheckperf",
        "*compared*: up to eight existing hosts are measured the same way. Each writes and reads a file of at most "
        "1 GiB a filesystem (never more than 2 % of what is free there), then sends for some seconds as fast as it "
        "can: a checkpoint or a backup costs a working cluster more. *none*: you know what the hosts can do; "
        "a single slow host slows every query of the grown cluster down.",
        default=HardwareCheck.COMPARED,
    )
    hardware_file_mb: int = field(
        _HARDWARE,
        "File written on each host (MB)",
        "0: adapted to memory and free space, at most 1 GiB a filesystem. That finds a slow disk; a file smaller than "
        "memory is read back from memory, so for the true speed of reading ask for twice the memory of a host. "
        "Never more than a fifth of the free space is written, on existing hosts neither.",
        default=0,
        ge=0,
        le=16 * 1024 * 1024,
    )
    hardware_network_seconds: int = field(
        _HARDWARE,
        "Network test (seconds)",
        "How long each pair of hosts sends, in each direction; gpcheckperf's tool takes no less than 5.",
        default=5,
        ge=5,
        le=60,
    )
    hardware_min_percent: int = field(
        _HARDWARE,
        "Warn below … % of the existing hosts",
        "A new host slower than this share of the existing hosts' median, in disk, memory or network, is a warning in "
        "the plan. 0: never.",
        default=60,
        ge=0,
        le=100,
    )
    hardware_min_disk_write: int = field(
        _HARDWARE,
        "Disk, writing: at least (MB/s)",
        "A new host below this stops the run. 0: no limit.",
        default=0,
        ge=0,
    )
    hardware_min_disk_read: int = field(_HARDWARE, "Disk, reading: at least (MB/s)", "As above.", default=0, ge=0)
    hardware_min_memory: int = field(
        _HARDWARE, "Memory: at least (MB/s)", "As above; the figure of the STREAM benchmark.", default=0, ge=0
    )
    hardware_min_network: int = field(
        _HARDWARE,
        "Network: at least (MB/s)",
        "As above, for each pair of hosts and each direction. 10 Gbit/s are about 1,100 MB/s.",
        default=0,
        ge=0,
    )
