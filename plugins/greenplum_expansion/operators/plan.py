"""The plan: what will be done, decided and written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.finding import Finding, errors, worst_first
from greenplum_expansion.checks.input_file import check_input_file, check_tablespace_locations
from greenplum_expansion.checks.layout import check_layout
from greenplum_expansion.checks.planned_directories import check_planned_directories
from greenplum_expansion.cluster.flavors import parse_version
from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ChecksFailed
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.hooks.fingerprints import read_tables
from greenplum_expansion.hooks.planned_directories import look_at_planned
from greenplum_expansion.operators.forecasting import forecast_plan, write_forecast
from greenplum_expansion.operators.placing import place_segments
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    expansion_run,
    record_section,
    record_step,
    started_now,
)
from greenplum_expansion.planning import layout
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.forecast_text import sections
from greenplum_expansion.planning.placement import PlacementError
from greenplum_expansion.planning.plan import DatabaseSize, Plan
from greenplum_expansion.planning.section import Section, render_section


class MakePlanOperator(BaseOperator):
    """Decide what will be done; write it, with gpexpand's input files, to the expansion's directory on the coordinator.

    Plays the redistribution through as well: what it will take in time, windows and disk is left under the XCom key
    "forecast" and beside the plan (``Forecast.to_dict``).

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
                made = forecast_plan(run, plan)
                run.directory.ensure()
                run.directory.write_plan(plan)
                write_forecast(context, run, made)
                for section in sections(made):
                    for line in render_section(section):
                        self.log.info("%s", line)
        for line in (plan.input_file + plan.tablespace_file).splitlines():
            self.log.info("input file: %s", line)
        for finding in plan.findings:
            self.log.info("%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in plan.findings])
        record_layout(context, plan, "Layout")
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
                *(look_at_plan(run, plan) if plan.tablespaces and not run.request.dry_run else []),
            ]
        )
        if wrong:
            raise ChecksFailed(
                "The plan",
                " ".join(map(str, wrong)),
                "mend what the remedies say and clear this task, or trigger a new run",
            )
        return plan


def record_layout(context: Mapping[str, Any], plan: Plan, title: str) -> None:
    """For the report: hosts as they will be."""
    rows = tuple(layout.rows(layout.lay_out(plan.before, plan.new)))
    record_section(context, Section(title, columns=layout.COLUMNS, rows=rows))


def look_at_plan(run: ExpansionRun, plan: Plan) -> list[Finding]:
    """Whether the places of all new instances are free, looked at on their hosts."""
    return check_planned_directories(look_at_planned(run.hook, plan))
