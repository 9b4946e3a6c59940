"""Which expansion to take back."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from greenplum_expansion.request.section import Section, empty_as_none, field

_EXPANSION = "Expansion"


class RollbackRequest(Section):
    """Which expansion to take back; filled in by the failed expansion, or by hand."""

    greenplum_conn_id: str = field(
        _EXPANSION, "Connection", "Airflow connection of type *greenplum*.", default="greenplum_default", min_length=1
    )
    expansion_id: Annotated[str | None, BeforeValidator(empty_as_none)] = field(
        _EXPANSION,
        "Expansion",
        "Name of its directory below `~/greenplum-expansions` on the coordinator. Empty: the newest one.",
        default=None,
        pattern=r"^[A-Za-z0-9_.-]+$",
    )
