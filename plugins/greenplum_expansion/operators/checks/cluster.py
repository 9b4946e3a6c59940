"""Checks of the cluster that is to be expanded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenplum_expansion.checks.cluster import check_expansion_state, check_segments, check_server
from greenplum_expansion.checks.databases import check_closed_databases, check_database
from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.hooks.cluster_facts import read_closed_databases, read_databases, read_server
from greenplum_expansion.hooks.facts import read_expansion_state, read_probed_topology
from greenplum_expansion.operators.checks.base import CheckOperator, DependentCheckOperator
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    run_is_active,
)
from greenplum_expansion.planning.plan import Plan


class CheckConnectionOperator(CheckOperator):
    """Request valid, SQL and SSH work, a supported Greenplum answers, the role may do everything, gpexpand is there.

    :return: True if the other checks can look at all
    """

    def execute(self, context: Mapping[str, Any]) -> bool:
        super().execute(context)
        found = context["ti"].xcom_pull(task_ids=context["ti"].task_id, key=FINDINGS_KEY)
        return not errors(map(Finding.from_dict, found or []))

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        return check_server(read_server(run.hook), run.request.parallel_moves), None

    def plan_begun(self, run: ExpansionRun) -> Plan | None:
        """Looked at in any case: nothing of it is changed by the expansion."""
        return None


class ClaimClusterOperator(DependentCheckOperator):
    """Claim the cluster for this expansion, so that no second one begins beside it.

    Taking it again is nothing. A claim whose run is over is taken over, unless that run left something half done: then
    it stays with that run, which alone can finish it.
    """

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        ti = run.context["ti"]
        state = read_expansion_state(run.hook)
        run.claim.take(run.my_claim(), lambda held: run_is_active(ti, held.dag_id, held.run_id), state)
        return [], run.expansion_id

    def plan_begun(self, run: ExpansionRun) -> Plan | None:
        """The claim is wanted in any case."""
        return None


class CheckSegmentsOperator(DependentCheckOperator):
    """All instances up, in their preferred role and in sync; a standby is there."""

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        return check_segments(read_probed_topology(run.hook)), None


class CheckDatabasesOperator(DependentCheckOperator):
    """No database holds what gpexpand cannot carry."""

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        findings = check_closed_databases(read_closed_databases(run.hook))
        return findings + [finding for facts in read_databases(run.hook) for finding in check_database(facts)], None


class CheckExpansionStateOperator(DependentCheckOperator):
    """No expansion is under way, or left half done, that no claim speaks of: whose claim it is, that check tells."""

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        findings = check_expansion_state(read_expansion_state(run.hook))
        if run.claim.has_other(run.expansion_id):
            findings = [Finding.note("cluster", finding.problem) for finding in findings]
        return findings, None
