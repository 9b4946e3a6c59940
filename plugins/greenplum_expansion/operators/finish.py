"""The end: gpexpand's schema removed, and nothing of it left on any host."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.cluster import check_segments
from greenplum_expansion.checks.remains import check_nothing_left
from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.dialogue import talk
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE, read_expansion_state, read_probed_topology
from greenplum_expansion.hooks.remains import read_remains
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    expansion_run,
    record_section,
    record_step,
    started_now,
)
from greenplum_expansion.planning.decisions import Action, decide_clean_up
from greenplum_expansion.planning.section import Section

# What gpexpand -c asks of a complete expansion: the list was exported just before. Of one that is not complete it asks
# first whether the schema is really to be dropped; to that there is no answer here.
_ANSWERS = {"dump the gpexpand.status_detail table to file?": "n"}


class CleanUpOperator(BaseOperator):
    """Keep gpexpand's lists beside the report, remove its schema (``gpexpand -c``), and look what is left of it.

    Probes: without the schema ``gpexpand -c`` would start its interview, so it is not run; with tables left it is
    refused. Its question is read before it is answered; another one than whether to dump the list is not answered, and
    fails the task. What is left on the hosts, and mirrors that are not in sync, is told in the report.

    :return: what was done
    :raises StepFailed: the schema is still there
    """

    ui_color = "#f4ecd8"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            if run.request.dry_run:
                outcome = "dry run: nothing removed"
            elif not run.request.clean_up:
                outcome = "left to be done by hand, as asked"
            else:
                outcome = self._clean_up(run)
            if not run.request.dry_run:
                self._look_what_is_left(context, run)
        record_step(context, started, outcome)
        return outcome

    def _clean_up(self, run: ExpansionRun) -> str:
        decision = decide_clean_up(run.subject, read_expansion_state(run.hook))
        self.log.info("Decision: %s, because %s", decision.action, decision.because)
        if decision.action is Action.DONE:
            return "clean already"
        self._export(run, "status_detail", "status_detail.csv")
        self._export(run, "expansion_status_all", "status.csv")
        done = talk(run.hook, ["gpexpand", "-c"], _ANSWERS, cwd=run.directory.path)
        for line in done.output.splitlines():
            self.log.info("gpexpand: %s", line)
        state = read_expansion_state(run.hook)
        if state.phase is not Phase.IDLE:
            asked = f"; it asked what was not expected: {done.unexpected}" if done.unexpected else ""
            raise StepFailed(f"Clean-up of {run.subject}", f"{state.phase}: {state.because}{asked}", state.next_action)
        return "schema gpexpand removed"

    def _export(self, run: ExpansionRun, query: str, name: str) -> None:
        rows = run.hook.query(query, dbname=SCHEMA_DATABASE)
        if not rows:
            return
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        path = run.directory.file(name)
        run.hook.coordinator().write_text(path, buffer.getvalue())
        self.log.info("%d rows kept in %s", len(rows), path)

    def _look_what_is_left(self, context: Mapping[str, Any], run: ExpansionRun) -> None:
        topology = read_probed_topology(run.hook)
        remains, silent = read_remains(run.hook, topology, run.directory.path)
        findings = [*check_nothing_left(remains, silent), *check_segments(topology)]
        for finding in findings:
            self.log.warning("%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        lines = [str(finding) for finding in findings] or [
            "Nothing of gpexpand is left on any host; all instances are up and in sync"
        ]
        record_section(context, Section("At the end", tuple(lines)))
