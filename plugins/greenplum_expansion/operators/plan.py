"""The plan, and the person who approves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, ExceptionRetryPolicy, Param, RetryRule
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.checks.finding import Finding, errors, worst_first
from greenplum_expansion.checks.input_file import check_input_file, check_tablespace_locations
from greenplum_expansion.checks.layout import check_layout
from greenplum_expansion.checks.planned_directories import check_planned_directories
from greenplum_expansion.cluster.flavors import parse_version
from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ChecksFailed, ExpansionError
from greenplum_expansion.hooks.draft import Draft, drop_draft, findings_text, read_draft, write_draft
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.hooks.fingerprints import read_tables
from greenplum_expansion.hooks.planned_directories import look_at_planned
from greenplum_expansion.operators.placing import place_segments
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    SECTION_KEY,
    ExpansionRun,
    expansion_run,
    final_errors,
    record_section,
    record_step,
    started_now,
)
from greenplum_expansion.planning import layout
from greenplum_expansion.planning.approval import approval_text
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.edit import judge_edit
from greenplum_expansion.planning.placement import PlacementError
from greenplum_expansion.planning.plan import DatabaseSize, Plan
from greenplum_expansion.report import Section

DIGEST_KEY = "digest"
ANSWER_KEY = "answer"
_SHOWN_KEY = "shown"
_INPUT_FILE, _TABLESPACE_FILE = "input_file", "tablespace_file"  # fields of the approval's form
_ASKINGS = 100  # an approver may mistype as often; not for ever, as Airflow counts tries


class MakePlanOperator(BaseOperator):
    """Decide what will be done; write it, with gpexpand's input files, to the expansion's directory on the coordinator.

    Probes: once the plan is being carried out, or was, it is final and returned as recorded; before that it is made
    anew. Changes nothing but files of its own.

    :return: the plan as a dictionary (``Plan.to_dict``)
    """

    ui_color = "#dbe6f4"

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            plan = run.directory.read_plan()
            if plan and self._is_final(run, plan):
                self.log.info("The plan is being or was carried out, so it stays as it is")
            else:
                plan = self._make(run)
                run.directory.ensure()
                run.directory.write_plan(plan)
        for line in (plan.input_file + plan.tablespace_file).splitlines():
            self.log.info("input file: %s", line)
        for finding in plan.findings:
            self.log.info("%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in plan.findings])
        rows = tuple(layout.rows(layout.lay_out(plan.before, plan.new)))
        record_section(context, Section("Layout", columns=layout.COLUMNS, rows=rows))
        record_step(context, started, f"{len(plan.new)} new instances")
        return plan.to_dict()

    def _is_final(self, run: ExpansionRun, plan: Plan) -> bool:
        if plan.presence(read_topology(run.hook)) is not Presence.NONE:
            return True
        return read_expansion_state(run.hook).phase is not Phase.IDLE

    def _make(self, run: ExpansionRun) -> Plan:
        topology = read_topology(run.hook)
        try:
            placing = place_segments(run, topology)
        except PlacementError as error:
            problem, _, remedy = str(error).rpartition("; ")
            raise ChecksFailed("The plan", problem or remedy, remedy) from None
        server = run.hook.query("server_identity")[0]
        tables = read_tables(run.hook)
        sizes = {row["dbname"]: int(row["size_bytes"]) for row in run.hook.query("database_sizes")}
        plan = Plan(
            expansion_id=run.expansion_id,
            version=str(parse_version(server["version"])),
            before=topology,
            new=placing.new,
            databases=tuple(
                DatabaseSize(name, sizes[name], sum(t.has_rows for t in tables if t.dbname == name))
                for name in run.hook.databases()
            ),
            findings=tuple(worst_first(check_layout(layout.lay_out(topology, placing.new)))),
            tablespaces=placing.tablespaces,
            locations=placing.locations,
        )
        wrong = errors(
            [
                *check_input_file(topology, plan.new),
                *check_tablespace_locations(plan.new, plan.tablespaces, plan.locations),
                # Before the hosts are prepared perhaps nobody of ours can log in there.
                *(_look(run, plan) if plan.tablespaces and not run.request.dry_run else []),
            ]
        )
        if wrong:
            raise ChecksFailed(
                "The plan", findings_text(wrong), "mend what the remedies say and clear this task, or trigger a new run"
            )
        return plan


class EditRefused(ExpansionError):
    """The edited plan cannot be carried out, or should be looked at once more: Airflow asks again."""


class ApprovePlanOperator(ApprovalOperator):
    """Wait until a person approves the plan in the UI, as it is or edited; waived by the request.

    The form carries gpexpand's input file. A changed one is held against the cluster and against what was checked;
    if it is wrong, this task is retried, which asks again, with the text as entered and what is wrong with it on top
    (docs/decisions). If it is right it becomes the plan. Leaves the digest of what was approved: nothing else is
    carried out. Rejecting skips all that follows but the report. Once the plan has been carried out there is nothing
    left to approve, and none is asked for.

    :param plan_task: task id of the MakePlanOperator
    """

    ui_color = "#f9d9c2"

    def __init__(self, *, plan_task: str, **kwargs: Any) -> None:
        kwargs["retries"] = _ASKINGS
        kwargs["retry_policy"] = ExceptionRetryPolicy([RetryRule(EditRefused, retry_delay=timedelta(seconds=1))])
        super().__init__(subject="Approve the expansion of {{ params.greenplum_conn_id }}", **kwargs)
        self.plan_task = plan_task

    def execute(self, context: Any) -> Any:
        with final_errors(), expansion_run(context) as run:
            if run.request.dry_run:
                record_step(context, started_now(), "not asked for: nothing is changed")
                raise AirflowSkipException("Nothing is to be changed, so there is nothing to approve")
            planned = self._planned(context)
            plan = run.directory.require_plan()  # as planned, or as it was edited before this task was cleared
            draft = read_draft(run.directory, planned.digest)
            waived = not run.request.approval
            carried_out = plan.presence(read_topology(run.hook)) is Presence.ALL
        if waived or carried_out:
            outcome = "waived by the request" if waived else "carried out already"
            self.log.info("No approval is asked for: %s", outcome)
            context["ti"].xcom_push(key=DIGEST_KEY, value=plan.digest)
            record_step(context, started_now(), outcome)
            return {"chosen_options": [self.APPROVE], "waived": True}
        self._show(context, planned, plan, draft)
        return super().execute(context)

    def _planned(self, context: Any) -> Plan:
        """The plan whose hosts, ports and directories were checked."""
        return Plan.from_dict(context["ti"].xcom_pull(task_ids=self.plan_task))

    def _show(self, context: Any, planned: Plan, plan: Plan, draft: Draft | None) -> None:
        """Fill text and form."""
        texts = {_INPUT_FILE: plan.input_file, _TABLESPACE_FILE: plan.tablespace_file}
        said: Sequence[Finding] = ()
        if draft is not None:
            texts = {_INPUT_FILE: draft.input_file, _TABLESPACE_FILE: draft.tablespace_file}
            said = draft.findings
            if not errors(said):  # it can be carried out, so it is what is shown
                plan = judge_edit(plan.before, planned, draft.input_file, draft.tablespace_file).plan or plan
        findings = worst_first([*self._findings(context), *plan.findings])
        self.body = approval_text(plan, findings, self._sections(context), said)
        self.params = ParamsDict(
            {name: _field(name, text) for name, text in texts.items() if text or name == _INPUT_FILE}
        )
        shown = {**texts, DIGEST_KEY: plan.digest, "draft": draft is not None}
        context["ti"].xcom_push(key=_SHOWN_KEY, value=shown)

    def _findings(self, context: Any) -> list[Finding]:
        """What all tasks before this one have found; the plan's own are shown with the plan, which may be edited."""
        found = context["ti"].xcom_pull(task_ids=self._before(), key=FINDINGS_KEY) or []
        return [Finding.from_dict(data) for one in found if one for data in one]

    def _sections(self, context: Any) -> list[Section]:
        left = context["ti"].xcom_pull(task_ids=self._before(), key=SECTION_KEY) or []
        return [Section.from_dict(section) for section in left if section]

    def _before(self) -> list[str]:
        every = {task.task_id for task in self.get_flat_relatives(upstream=True)}
        return sorted(every - {self.plan_task})

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Take the answer. A rejection leaves by an exception, which skips what follows: so it is recorded first."""
        chosen = list(event.get("chosen_options") or ())
        who = (event.get("responded_by_user") or {}).get("name", "somebody")
        edited = self.APPROVE in chosen and self._take_edit(context, event.get("params_input") or {})
        for option in chosen:
            context["ti"].xcom_push(key=ANSWER_KEY, value=option)
            outcome = f"{option} by {who}" + (", edited" if edited else "")
            record_step(context, context["ti"].start_date.timestamp(), outcome)
        return super().execute_complete(context, event)

    def _take_edit(self, context: Any, entered: Mapping[str, Any]) -> bool:
        """Make what was approved the plan. :return: whether it is another than the one that was made

        :raises EditRefused: it cannot be carried out, or deviates in a way the approver has not seen
        """
        shown = context["ti"].xcom_pull(task_ids=context["ti"].task_id, key=_SHOWN_KEY)
        texts = [str(entered.get(name, shown[name]) or "") for name in (_INPUT_FILE, _TABLESPACE_FILE)]
        unchanged = [_lines(text) for text in texts] == [
            _lines(shown[name]) for name in (_INPUT_FILE, _TABLESPACE_FILE)
        ]
        planned = self._planned(context)
        if unchanged and not shown["draft"]:
            context["ti"].xcom_push(key=DIGEST_KEY, value=shown[DIGEST_KEY])
            return bool(shown[DIGEST_KEY] != planned.digest)
        with expansion_run(context) as run:
            run.require_claim()
            plan = self._accept(run, planned, texts, unchanged)
            run.directory.write_plan(plan)
            drop_draft(run.directory)
        for line in (plan.input_file + plan.tablespace_file).splitlines():
            self.log.info("input file as edited: %s", line)
        context["ti"].xcom_push(key=DIGEST_KEY, value=plan.digest)
        return plan.digest != planned.digest

    def _accept(self, run: ExpansionRun, planned: Plan, texts: Sequence[str], seen: bool) -> Plan:
        """:param seen: these very texts were shown, with what is to be said of them, and approved once more"""
        edit = judge_edit(read_topology(run.hook), planned, *texts)
        wrong = list(edit.errors) or (_look(run, edit.plan) if edit.plan else [])
        news = [] if seen else list(edit.deviations)
        if edit.plan and not wrong and not news:
            return edit.plan
        said = wrong or news
        write_draft(run.directory, Draft(planned.digest, texts[0], texts[1], tuple(said)))
        raise EditRefused(
            "The edited plan",
            findings_text(said),
            "the approval is asked for once more, with this on top; nothing was done",
        )


def _look(run: ExpansionRun, plan: Plan) -> list[Finding]:
    return check_planned_directories(look_at_planned(run.hook, plan))


def _field(name: str, text: str) -> Param:
    if name == _INPUT_FILE:
        title, what = "Input file", "`host|address|port|directory|dbid|content|role`, one new instance a line."
    else:
        title, what = "Tablespace file", "`dbid|directory|…`, one new primary a line, below the two lines of names."
    # An emptied field comes as null, which is then answered in words rather than by a refused form.
    return Param(text, type=["string", "null"], format="multiline", title=title, description_md=what)


def _lines(text: str) -> list[str]:
    """What of a text counts: browsers end lines otherwise, and people add blanks."""
    return [line.strip() for line in text.splitlines() if line.strip()]
