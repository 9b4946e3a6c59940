"""Checks of the cluster that is to be expanded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenplum_expansion.checks.activity import (
    check_base_backup,
    check_catalog_changes,
    check_long_transactions,
    check_sessions,
    check_utilities,
)
from greenplum_expansion.checks.capacity import check_disk_space
from greenplum_expansion.checks.cluster import (
    check_expansion_state,
    check_segments,
    check_server,
    check_standby_in_sync,
)
from greenplum_expansion.checks.databases import check_closed_databases, check_database
from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.checks.gpexpand import check_gpexpand_options, check_writes_while_building
from greenplum_expansion.checks.gpstate import check_gpstate
from greenplum_expansion.checks.network import check_hosts_seen
from greenplum_expansion.checks.settings import check_heap_checksums, check_settings
from greenplum_expansion.hooks.cluster_facts import (
    read_checksums,
    read_closed_databases,
    read_databases,
    read_gpstate,
    read_replication,
    read_server,
    read_sessions,
    read_settings,
    read_utilities,
)
from greenplum_expansion.hooks.disks import Arrivals, read_disks
from greenplum_expansion.hooks.facts import (
    read_expansion_state,
    read_gpexpand_options,
    read_probed_topology,
    read_topology,
    read_version,
)
from greenplum_expansion.operators.backup import backup_findings
from greenplum_expansion.operators.checks.base import CheckOperator, DependentCheckOperator
from greenplum_expansion.operators.placing import place_segments
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    run_is_active,
)
from greenplum_expansion.planning.placement import PlacementError
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.request.sessions import SessionsChoice


class CheckConnectionOperator(CheckOperator):
    """Request valid, SQL and SSH work, a supported Greenplum answers, the role may do everything, gpexpand is there.

    :return: True if the other checks can look at all
    """

    def execute(self, context: Mapping[str, Any]) -> bool:
        super().execute(context)
        found = context["ti"].xcom_pull(task_ids=context["ti"].task_id, key=FINDINGS_KEY)
        return not errors(map(Finding.from_dict, found or []))

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        findings = check_server(read_server(run.hook))
        if not errors(findings):
            findings += check_gpexpand_options(read_gpexpand_options(run.hook))
            findings += check_writes_while_building(read_version(run.hook))
        return findings, None

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


class CheckExpansionStateOperator(DependentCheckOperator):
    """No expansion is under way, or left half done, that no claim speaks of: whose claim it is, that check tells."""

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        findings = check_expansion_state(read_expansion_state(run.hook))
        if run.claim.has_other(run.expansion_id):
            findings = [Finding.note("cluster", finding.problem) for finding in findings]
        return findings, None


class CheckSegmentsOperator(DependentCheckOperator):
    """All instances up, in their preferred role and in sync; a standby is there and follows.

    gpstate is asked for a second opinion where the catalog finds nothing wrong: else it would say the same again.
    """

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        topology = read_probed_topology(run.hook)
        findings = check_segments(topology)
        findings += check_standby_in_sync(topology.standby, read_replication(run.hook))
        if not errors(findings):
            findings += check_gpstate(read_gpstate(run.hook), topology)
        return findings, None


class CheckDatabasesOperator(DependentCheckOperator):
    """No database holds what gpexpand cannot carry, nor anything broken."""

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        findings = check_closed_databases(read_closed_databases(run.hook))
        return findings + [finding for facts in read_databases(run.hook) for finding in check_database(facts)], None


class CheckSettingsOperator(DependentCheckOperator):
    """Connections, locks, interconnect and heap checksums are as an expansion needs them."""

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        topology = read_topology(run.hook)
        findings = check_settings(read_settings(run.hook), run.request.parallel_moves)
        checksums, silent = read_checksums(run.hook, topology)
        findings += check_hosts_seen(silent, topology.coordinator.hostname)
        return findings + check_heap_checksums(topology, checksums), None


class CheckActivityOperator(DependentCheckOperator):
    """Who works in the cluster, and whether an expansion would have to wait for it or would disturb it."""

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        # Sessions of protected roles are neither waited for nor ended; they are seen like all others.
        sessions = read_sessions(run.hook)
        treated = run.request.sessions is not SessionsChoice.GO_ON, run.request.protected_roles
        return [
            *check_sessions(sessions, *treated),
            *check_long_transactions(sessions, *treated),
            *check_catalog_changes(sessions, *treated),
            *check_base_backup(read_replication(run.hook)),
            *check_utilities(read_utilities(run.hook, sessions, run.directory.path)),
        ], None


class CheckCapacityOperator(DependentCheckOperator):
    """Every filesystem of coordinator, segment hosts and new hosts has room for what will be written, backup included.

    A new host that cannot be looked at is left to the check of new hosts, a wish that cannot be placed to that of
    places: both say so themselves.
    """

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        topology = read_topology(run.hook)
        backup = backup_findings(run)
        try:
            placing = place_segments(run, topology)
        except PlacementError as error:
            unseen = Finding.note("disk space", f"not looked at, as the new segments cannot be placed: {error}")
            return [unseen, *backup], None
        moves = run.request.parallel_moves
        arrivals = Arrivals(placing.new, placing.tablespaces, placing.locations)
        disks = read_disks(run.hook, topology, arrivals, run.request.new_hosts, moves, run.directory.path)
        findings = check_hosts_seen(disks.silent, topology.coordinator.hostname)
        findings += [
            Finding.note(f"new host {host}", f"its disks could not be looked at: {why}")
            for host, why in sorted(disks.strangers.items())
        ]
        return findings + check_disk_space(disks.filesystems, disks.growth, moves) + backup, None
