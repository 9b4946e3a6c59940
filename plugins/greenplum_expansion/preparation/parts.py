"""Every part of the preparation, by its choice in the request; importing this module imports them all."""

from __future__ import annotations

from collections.abc import Sequence

from greenplum_expansion.preparation import (
    account,
    block_devices,
    clock,
    directories,
    firewall,
    huge_pages,
    kernel,
    limits,
    login,
    names,
    reboot,
    selinux,
    software,
)
from greenplum_expansion.preparation.catalogue import Part, entered
from greenplum_expansion.request import PreparationPart

MODULES = (
    names, kernel, limits, huge_pages, selinux, firewall, clock, login, block_devices, account, directories, software,
    reboot,
)  # fmt: skip

# Which task of the DAG does what.
OPERATING_SYSTEM = (
    PreparationPart.HOSTNAME,
    PreparationPart.HOSTS_FILE,
    PreparationPart.KERNEL,
    PreparationPart.LIMITS,
    PreparationPart.HUGE_PAGES,
    PreparationPart.SELINUX,
    PreparationPart.FIREWALL,
    PreparationPart.TIME,
    PreparationPart.LOGIN,
    PreparationPart.BLOCK_DEVICES,
)
ACCOUNT = (PreparationPart.ACCOUNT, PreparationPart.DIRECTORIES)
SOFTWARE = (PreparationPart.SOFTWARE,)


def parts(choices: Sequence[PreparationPart] = tuple(PreparationPart)) -> list[Part]:
    """The parts chosen, in the order in which they are done."""
    return [one for one in entered() if one.choice in choices]
