"""The plan, and the person who approves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator

from greenplum_expansion.checks.finding import Finding, Severity, errors
from greenplum_expansion.checks.input_file import check_input_file
from greenplum_expansion.cluster.flavors import parse_version
from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ChecksFailed
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.hooks.fingerprints import read_tables
from greenplum_expansion.operators.checks.new_hosts import request_hosts, wished_mirroring
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, final_errors, record_step, started_now
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.placement import place
from greenplum_expansion.planning.plan import DatabaseSize, Plan, approval_text

DIGEST_KEY = "digest"
ANSWER_KEY = "answer"


class MakePlanOperator(BaseOperator):
    """Decide what will be done; write it, with gpexpand's input file, to the expansion's directory on the coordinator.

    Probes: once the plan is being carried out, or was, it is final and returned as recorded; before that it is made
    anew. Changes nothing but files of its own.

    :param findings_task: task id of the JudgeFindingsOperator, whose warnings go into the plan
    :return: the plan as a dictionary (``Plan.to_dict``)
    """

    ui_color = "#dbe6f4"

    def __init__(self, *, findings_task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.findings_task = findings_task

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            topology = read_topology(run.hook)
            plan = run.directory.read_plan()
            if plan and self._is_final(run, plan):
                self.log.info("The plan is being or was carried out, so it stays as it is")
            else:
                findings = context["ti"].xcom_pull(task_ids=self.findings_task) or []
                plan = self._make(run, [Finding.from_dict(data) for data in findings])
                wrong = errors(check_input_file(topology, plan.new))
                if wrong:
                    raise ChecksFailed(
                        "The plan", " ".join(map(str, wrong)), "the cluster has changed meanwhile; trigger a new run"
                    )
                run.directory.ensure()
                run.directory.write_plan(plan)
        for line in plan.input_file.splitlines():
            self.log.info("input file: %s", line)
        record_step(context, started, f"{len(plan.new)} new instances")
        return plan.to_dict()

    def _is_final(self, run: ExpansionRun, plan: Plan) -> bool:
        if plan.presence(read_topology(run.hook)) is not Presence.NONE:
            return True
        return read_expansion_state(run.hook).phase is not Phase.IDLE

    def _make(self, run: ExpansionRun, findings: Sequence[Finding]) -> Plan:
        topology = read_topology(run.hook)
        server = run.hook.query("server_identity")[0]
        tables = read_tables(run.hook)
        sizes = {row["dbname"]: int(row["size_bytes"]) for row in run.hook.query("database_sizes")}
        return Plan(
            expansion_id=run.expansion_id,
            version=str(parse_version(server["version"])),
            before=topology,
            new=place(topology, request_hosts(run.request), wished_mirroring(run.request, topology)),
            databases=tuple(
                DatabaseSize(name, sizes[name], sum(t.has_rows for t in tables if t.dbname == name))
                for name in run.hook.databases()
            ),
            findings=tuple(finding for finding in findings if finding.severity is not Severity.ERROR),
        )


class ApprovePlanOperator(ApprovalOperator):
    """Wait until a person approves the plan in the UI; waived by the request.

    Leaves the digest of the plan that was shown: what is carried out must be what was approved. Rejecting skips all
    that follows but the report. Once the plan has been carried out there is nothing left to approve, and none is
    asked for.

    :param plan_task: task id of the MakePlanOperator
    """

    ui_color = "#f9d9c2"

    def __init__(self, *, plan_task: str, **kwargs: Any) -> None:
        super().__init__(subject="Approve the expansion of {{ params.greenplum_conn_id }}", **kwargs)
        self.plan_task = plan_task

    def execute(self, context: Any) -> Any:
        plan = Plan.from_dict(context["ti"].xcom_pull(task_ids=self.plan_task))
        context["ti"].xcom_push(key=DIGEST_KEY, value=plan.digest)
        with final_errors(), expansion_run(context) as run:
            waived = not run.request.approval
            carried_out = plan.presence(read_topology(run.hook)) is Presence.ALL
        if waived or carried_out:
            outcome = "waived by the request" if waived else "carried out already"
            self.log.info("No approval is asked for: %s", outcome)
            record_step(context, started_now(), outcome)
            return {"chosen_options": [self.APPROVE], "waived": True}
        self.body = approval_text(plan, plan.findings)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Record the answer first: a rejection leaves by an exception, which skips what follows."""
        for option in event.get("chosen_options", ()):
            who = (event.get("responded_by_user") or {}).get("name", "somebody")
            context["ti"].xcom_push(key=ANSWER_KEY, value=option)
            record_step(context, context["ti"].start_date.timestamp(), f"{option} by {who}")
        return super().execute_complete(context, event)
