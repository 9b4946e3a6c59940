"""Whether the cluster is restarted at the end."""

from __future__ import annotations

from greenplum_expansion.request.section import Section, field

_SAFETY = "Safety"


class RestartSection(Section):
    """A restart is not needed by any supported version; some runbooks ask for one."""

    restart: bool = field(
        _SAFETY,
        "Restart the cluster at the end",
        "After the proof: CHECKPOINT, gpstop in fast mode, which ends all sessions, gpstart. No supported version "
        "needs it. Redistribution must be complete, and the standby reachable.",
        default=False,
    )
