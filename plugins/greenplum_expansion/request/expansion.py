"""One expansion, as asked for: the sections put together."""

from __future__ import annotations

from pydantic import model_validator

from greenplum_expansion.request.backup import BackupSection
from greenplum_expansion.request.hardware import HardwareSection
from greenplum_expansion.request.hosts import HostsSection
from greenplum_expansion.request.notices import NoticesSection
from greenplum_expansion.request.preparation import PreparationSection
from greenplum_expansion.request.restart import RestartSection
from greenplum_expansion.request.safety import ClusterSection, SafetySection
from greenplum_expansion.request.sessions import SessionsSection
from greenplum_expansion.request.tables import TablesSection
from greenplum_expansion.request.windows import MovedBy, WindowsSection


# Pydantic takes fields from the last base first: so the form shows the sections from the last to the first.
class ExpansionRequest(
    NoticesSection,
    WindowsSection,
    TablesSection,
    RestartSection,
    SafetySection,
    SessionsSection,
    ClusterSection,
    BackupSection,
    HardwareSection,
    PreparationSection,
    HostsSection,
):
    """All a user may ask for of `greenplum_expand`; only the new hosts have no default."""

    @model_validator(mode="after")
    def _greenplum_redistribute_moves_all(self) -> ExpansionRequest:
        if self.only_tables and self.moved_by is MovedBy.SCHEDULE:
            raise ValueError(
                "'Only these tables' is for the run that moves them: leave it empty if 'Who moves the tables' is "
                "greenplum_redistribute, and name them there"
            )
        return self
