"""Check operators: each gathers facts, hands them to a pure check and leaves findings; one task judges them all.

A check task succeeds although it found errors, so that a run shows every problem at once. Only
`JudgeFindingsOperator` fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.checks.cluster import check_expansion_state, check_segments, check_server
from greenplum_expansion.checks.databases import check_closed_databases, check_database
from greenplum_expansion.checks.finding import Finding, errors, worst_first
from greenplum_expansion.checks.input_file import check_input_file
from greenplum_expansion.checks.new_hosts import check_new_host, check_not_in_cluster, places_on
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Host, Topology
from greenplum_expansion.errors import ChecksFailed, ExpansionError
from greenplum_expansion.hooks.facts import (
    read_closed_databases,
    read_databases,
    read_expansion_state,
    read_gp_version,
    read_new_host,
    read_probed_topology,
    read_server,
    read_topology,
)
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    final_errors,
    open_run,
    record_step,
    run_is_active,
    started_now,
)
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.placement import PlacementError, place
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.request import ExpansionRequest, MirroringChoice


class CheckOperator(BaseOperator):
    """Base of all checks: runs `find`, logs each finding and leaves them under the XCom key "findings".

    An error while looking (host not reachable, request not valid) becomes a finding as well. A task cleared after its
    expansion has begun notes that and looks no further: what it would find is what the expansion itself has changed.
    """

    ui_color = "#e8f3ec"

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Return what `find` returns besides findings, for the tasks behind."""
        started = started_now()
        result = None
        try:
            with open_run(context) as run:
                plan = self.plan_begun(run)
                if plan is None:
                    findings, result = self.find(run)
                else:
                    findings = [Finding.note(run.subject, "it has begun; the state before it is no longer checked")]
                    result = self.result_when_begun(run, plan)
        except ExpansionError as error:
            findings = [Finding.error(error.subject, error.cause, error.next_action)]
        for finding in findings:
            self.log.log(30 if errors([finding]) else 20, "%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        record_step(context, started, f"{len(errors(findings))} errors")
        return result

    def plan_begun(self, run: ExpansionRun) -> Plan | None:
        """This run's plan, if it is being carried out or was; else None."""
        plan = run.directory.read_plan()
        if plan is None:
            return None
        present = plan.presence(read_topology(run.hook)) is not Presence.NONE
        return plan if present or run.directory.job_runs("add_segments") else None

    def result_when_begun(self, run: ExpansionRun, plan: Plan) -> Any:
        """What the tasks behind get instead of what `find` would return."""
        return None

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        """Look and judge. :return: findings, and a value for the tasks behind (or None)."""
        raise NotImplementedError


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


class DependentCheckOperator(CheckOperator):
    """A check that needs the connection: skipped, not failed, if that does not work, so that one fault is told once.

    :param connection_task: task id of the CheckConnectionOperator
    """

    def __init__(self, *, connection_task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection_task = connection_task

    def execute(self, context: Mapping[str, Any]) -> Any:
        if not context["ti"].xcom_pull(task_ids=self.connection_task):
            raise AirflowSkipException(
                f"{self.connection_task} found errors; without a connection nothing can be checked"
            )
        return super().execute(context)


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


class CheckPlacesOperator(DependentCheckOperator):
    """The new hosts are new, enough of them for the mirroring, and get a valid input file.

    :return: for each new host ``{hostname, address, host_key, directories, ports}``, to look at each by itself
    """

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        topology = read_topology(run.hook)
        hosts = request_hosts(run.request)
        findings = check_not_in_cluster(topology, hosts)
        try:
            placed = place(topology, hosts, wished_mirroring(run.request, topology))
            if not findings:  # places on a host of the cluster are taken, of course
                findings = check_input_file(topology, placed)
        except PlacementError as error:
            placed = ()
            problem, _, remedy = str(error).rpartition("; ")
            findings.append(Finding.error("new hosts", problem or remedy, remedy))
        # A host that is in the cluster is not looked at as a new one: that would only say the same in other words.
        known = {finding.subject for finding in errors(findings)}
        return findings, _looks(run.request, [h for h in hosts if f"new host {h.hostname}" not in known], placed)

    def result_when_begun(self, run: ExpansionRun, plan: Plan) -> Any:
        """The places as planned, so that the mapped tasks stay the same."""
        return _looks(run.request, request_hosts(run.request), plan.new)


def _looks(request: ExpansionRequest, hosts: Sequence[Host], placed: Sequence[NewInstance]) -> list[dict[str, Any]]:
    keys = {host.hostname: host.host_key for host in request.new_hosts}
    looks = []
    for host in hosts:
        directories, ports = places_on(placed, host.hostname)
        looks.append(
            {
                "hostname": host.hostname,
                "address": host.address,
                "host_key": keys[host.hostname],
                "directories": list(directories),
                "ports": list(ports),
            }
        )
    return looks


class CheckNewHostOperator(CheckOperator):
    """Look at one new host, through the coordinator: name, software, tools, directories, ports. Mapped over the hosts.

    :param host: what CheckPlacesOperator returned for it
    """

    def __init__(self, *, host: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.host = host

    template_fields: Sequence[str] = ("host",)

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        facts = read_new_host(
            run.hook,
            self.host["hostname"],
            self.host["address"],
            self.host["directories"],
            self.host["ports"],
            self.host["host_key"],
        )
        return check_new_host(facts, read_gp_version(run.hook), run.hook.environment().gphome), None


class JudgeFindingsOperator(BaseOperator):
    """Show all findings together; fail if one of them is an error, before anything was touched.

    Judges the findings of all tasks upstream of it.

    :return: all findings, worst first
    """

    ui_color = "#cfe8d8"

    def execute(self, context: Mapping[str, Any]) -> list[dict[str, str]]:
        started = started_now()
        lists = context["ti"].xcom_pull(task_ids=self._check_tasks(), key=FINDINGS_KEY) or []
        findings = worst_first(Finding.from_dict(data) for found in lists if found for data in found)
        for finding in findings:
            self.log.log(40 if errors([finding]) else 20, "%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        wrong = errors(findings)
        record_step(context, started, f"{len(wrong)} errors, {len(findings) - len(wrong)} others")
        with final_errors():
            if wrong:
                raise ChecksFailed(
                    "The checks",
                    f"{len(wrong)} of {len(findings)} findings are errors: " + " ".join(map(str, wrong)),
                    "mend what the remedies say and trigger again; nothing was touched",
                )
            # A check whose process died has left nothing; that must not count as passed.
            silent = self._silent(context)
            if silent:
                raise ChecksFailed(
                    "The checks",
                    f"{', '.join(silent)} ended without a result",
                    "see the log of that task and clear it",
                )
        return [finding.to_dict() for finding in findings]

    def _check_tasks(self) -> list[str]:
        return sorted(task.task_id for task in self.get_flat_relatives(upstream=True))

    def _silent(self, context: Mapping[str, Any]) -> list[str]:
        pull = context["ti"].xcom_pull
        return [
            task
            for task in self._check_tasks()
            if set(map(type, pull(task_ids=[task], key=FINDINGS_KEY))) <= {NoneType}
        ]


def request_hosts(request: ExpansionRequest) -> list[Host]:
    return [Host(host.hostname, host.address) for host in request.new_hosts]


def wished_mirroring(request: ExpansionRequest, topology: Topology) -> Any:
    """What was asked for; "as the cluster" is what the cluster has."""
    if request.mirroring is MirroringChoice.AS_CLUSTER:
        return topology.mirroring
    return request.mirroring.value
