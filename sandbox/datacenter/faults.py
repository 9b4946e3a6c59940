"""Faults: files in ``<state>/faults`` that the hosts see, and blows at hosts and disks.

A fault's file is named for it and holds its value. `gpexpand.*` and `gprecoverseg` are honoured by the utilities,
`slow-disk.*` and the like by gpcheckperf, `table.*` and `slow-moves` by the database; `host-down.<host>` and
`disk-full.<host>` are kept here, so that they outlive a restart and show in the list.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from sandbox.datacenter import control, lifecycle, query
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.power import DOWN_MARK, FULL_MARK
from sandbox.datacenter.state import State, write_atomically

# Stages of gpexpand's status file, in order (recordings/30_gpexpand_i_plain.txt).
GPEXPAND_STAGES = (
    *("EXPANSION_PREPARE_STARTED", "BUILD_SEGMENT_TEMPLATE_STARTED", "BUILD_SEGMENT_TEMPLATE_DONE"),
    *("BUILD_SEGMENTS_STARTED", "BUILD_SEGMENTS_DONE", "UPDATE_CATALOG_STARTED", "UPDATE_CATALOG_DONE"),
    *("SETUP_EXPANSION_SCHEMA_STARTED", "SETUP_EXPANSION_SCHEMA_DONE", "PREPARE_EXPANSION_SCHEMA_STARTED"),
    *("PREPARE_EXPANSION_SCHEMA_DONE", "EXPANSION_PREPARE_DONE"),
)
_WAYS_TO_FAIL = ("fail", "hang", "kill")
_LONGEST_NAME = 200  # bytes; a file name may have 255


@dataclass(frozen=True)
class Kind:
    """A family of faults: how its names look, which values it takes, what is assumed without one."""

    pattern: re.Pattern[str]
    values: re.Pattern[str]
    default: str | None
    help: str


KINDS = (
    Kind(
        re.compile(rf"gpexpand\.({'|'.join(GPEXPAND_STAGES)})"),
        re.compile("|".join(_WAYS_TO_FAIL)),
        "fail",
        "gpexpand.<STAGE> [fail|hang|kill]: gpexpand does so when it reaches that stage of its status file",
    ),
    Kind(re.compile("gprecoverseg"), re.compile("|".join(_WAYS_TO_FAIL)), "fail", "gprecoverseg [fail|hang|kill]"),
    Kind(
        re.compile(r"table\.[^./\0]+\.[^./\0]+\.[^/\0]+"),
        re.compile(r"[^\0]+"),
        "fault injected by the sandbox",
        "table.<database>.<schema>.<table> [TEXT]: moving it raises TEXT",
    ),
    Kind(
        re.compile(r"setting\.[a-z_]+"),
        re.compile(r"[^\0]+"),
        None,
        "setting.<name> VALUE: pg_settings of the coordinator shows that value",
    ),
    Kind(re.compile("slow-moves"), re.compile(r"\d+(\.\d+)?"), None, "slow-moves MB: a move does no more MB a second"),
    Kind(
        re.compile(r"slow-(disk|memory|network)\.[a-z0-9-]+"),
        re.compile(r"[1-9]\d*(\.\d+)?"),
        None,
        "slow-disk.<host> MB, slow-memory.<host> MB, slow-network.<host> MB: gpcheckperf finds no more MB/s there",
    ),
)


def set_fault(state: State, name: str, value: str | None) -> str:
    """Write a fault's file; returns the value it got.

    :raises SandboxError: no such fault, or a value it does not take
    """
    kind = next((k for k in KINDS if k.pattern.fullmatch(name)), None)
    if kind is None or len(name.encode()) > _LONGEST_NAME:
        known = "; ".join(k.help for k in KINDS)
        stages = ", ".join(GPEXPAND_STAGES)
        raise SandboxError(
            f"There is no fault {name!r}", f"known are: {known}", f"name one of them; stages are {stages}"
        )
    chosen = kind.default if value is None else value
    if chosen is None or not kind.values.fullmatch(chosen):
        raise SandboxError(f"The fault {name} was not set", f"it takes no value {value!r}", f"usage: {kind.help}")
    write_atomically(state.faults / name, chosen, 0o644)
    return chosen


def list_faults(state: State) -> dict[str, str]:
    """Faults that are set: name and value."""
    files = sorted(p for p in state.faults.iterdir() if not p.name.startswith("."))
    return {p.name: p.read_text() for p in files}


def clear(state: State, name: str | None) -> list[str]:
    """Take back one fault, or all; a host that was down comes up, a disk gets its room back. Returns what was cleared.

    :raises SandboxError: that fault is not set
    """
    present = list_faults(state)
    if name is not None and name not in present:
        there = ", ".join(present) or "none"
        raise SandboxError(f"The fault {name} is not set", f"set are: {there}", "python -m sandbox fault list")
    cleared = [name] if name is not None else list(present)
    for fault in cleared:
        (state.faults / fault).unlink(missing_ok=True)
        family, _, host = fault.partition(".")
        if not state.is_running():
            continue  # the next `up` looks at the files
        if family == "disk-full":
            control.ask(state, "empty-disk", host)
        elif family == "host-down":
            control.ask(state, "switch-on", host)
            lifecycle.wait_for_ssh(state, host)
    return cleared


def host_down(state: State, host: str) -> None:
    """Pull a host's plug; it stays off until `host_up`, also over a restart of the sandbox."""
    control.ask(state, "status")
    write_atomically(state.faults / DOWN_MARK.format(host), "off", 0o644)
    control.ask(state, "pull-plug", host)


def host_up(state: State, host: str) -> None:
    """Switch a host on and wait for its sshd. Nothing happens to one that is on."""
    (state.faults / DOWN_MARK.format(host)).unlink(missing_ok=True)
    control.ask(state, "switch-on", host)
    lifecycle.wait_for_ssh(state, host)


def disk_full(state: State, host: str, megabytes_left: int) -> None:
    """Fill a host's data disk up, all but that much."""
    control.ask(state, "fill-disk", host, value=megabytes_left)
    write_atomically(state.faults / FULL_MARK.format(host), str(megabytes_left), 0o644)


@dataclass(frozen=True)
class Instance:
    """The acting primary of a content."""

    host: str
    port: int
    datadir: str


def acting_primary(state: State, content: int) -> Instance:
    """Ask the catalog who serves a content now.

    :raises SandboxError: the database is down, or has no such content
    """
    columns = "select hostname, port, datadir from gp_segment_configuration"
    statement = f"{columns} where role = 'p' and content = {content:d}"
    found = query.rows(state, statement)
    if not found:
        raise SandboxError(f"There is no content {content}", "gp_segment_configuration has none", "use -1, 0, 1, …")
    host, port, datadir = found[0]
    return Instance(host, int(port), datadir)


def segment_down(state: State, content: int) -> Instance:
    """Kill (-9) the postmaster of a content's acting primary. Returns which it was."""
    instance = acting_primary(state, content)
    pid_file = shlex.quote(f"{instance.datadir}/postmaster.pid")
    done = query.on_host(state, instance.host, f'read -r pid < {pid_file} && kill -9 "$pid"')
    if done.returncode != 0:
        raise SandboxError(
            f"The primary of content {content} was not killed",
            f"{instance.host}:{instance.datadir}: {done.stderr.strip()}",
            "python -m sandbox ssh mdw 'gpstate -s' shows whether it runs",
        )
    return instance
