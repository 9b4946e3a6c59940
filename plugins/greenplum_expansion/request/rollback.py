"""Which expansion to take back, and how far greenplum_rollback may go."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from greenplum_expansion.request.notices import NoticesSection
from greenplum_expansion.request.section import Section, empty_as_none, field

_EXPANSION, _SAFETY = "Expansion", "Safety"


class _RollbackSections(Section):
    """Which expansion, and how careful."""

    greenplum_conn_id: str = field(
        _EXPANSION, "Connection", "Airflow connection of type *greenplum*.", default="greenplum_default", min_length=1
    )
    expansion_id: Annotated[str | None, BeforeValidator(empty_as_none)] = field(
        _EXPANSION,
        "Expansion",
        "Name of its directory below `~/greenplum-expansions` on the coordinator. Empty: the newest one.",
        default=None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
    )
    approval: bool = field(
        _SAFETY,
        "Ask a person before going forward",
        "Past the point of no return the set-up can only be finished; a person approves that under "
        "*Required Actions*. What can be taken back is taken back without asking.",
        default=True,
    )
    stop_gpexpand: bool = field(
        _SAFETY,
        "Stop a gpexpand that is at work",
        "If gpexpand still prepares segments, interrupt it as Ctrl-C would, then roll back. "
        "Off: the rollback is refused while it works. One that moves tables is never stopped.",
        default=False,
    )
    start_cluster: bool = field(
        _SAFETY,
        "Start the cluster if it is down",
        "A half-done expansion needs `gpstart -R`, which lets superusers in only; "
        "afterwards the cluster is restarted for everybody.",
        default=True,
    )
    compare_data: bool = field(
        _SAFETY,
        "Compare the data",
        "Read every table again and compare it with the fingerprints, if they were taken.",
        default=True,
    )
    expect_writes: bool = field(
        _SAFETY,
        "The cluster is written to meanwhile",
        "Rows that differ are then told as a note instead of failing the run.",
        default=False,
    )
    undo_preparation: bool = field(
        _SAFETY,
        "Undo the preparation of the hosts",
        "Take back what was changed to prepare hosts, from the copies saved before: on new hosts files and settings, "
        "the software that was installed, and the user with its home, if this expansion made them; on existing hosts "
        "`/etc/hosts`. What others have changed since is left, and told. Keys that gpssh-exkeys entered stay.",
        default=False,
    )


class RollbackRequest(NoticesSection, _RollbackSections):
    """Which expansion to take back; filled in by the failed expansion, or by hand."""
