"""The check that concerns Airflow's own surroundings: those who are to be told."""

from __future__ import annotations

from typing import Any

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.checks.notices import check_notices
from greenplum_expansion.notifications.channels import open_channels
from greenplum_expansion.notifications.delivery import on_all
from greenplum_expansion.operators.checks.base import CheckOperator
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.planning.plan import Plan


class CheckNoticesOperator(CheckOperator):
    """The connections for notices exist, and their receivers answer; ten seconds are waited for them at most."""

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        if not run.request.tells_somebody:
            return [], None
        channels, wrong = open_channels(run.request)
        return check_notices(wrong | on_all(channels, lambda channel: channel.knock())), None

    def plan_begun(self, run: ExpansionRun) -> Plan | None:
        """Looked at in any case, and without the cluster: nothing of it is changed by the expansion."""
        return None
