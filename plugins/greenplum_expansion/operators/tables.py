"""Redistribution: the order of the tables, and the start of the engine that moves them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.hooks.facts import (
    read_expansion_state,
    read_gpexpand_options,
    read_topology,
    read_version,
)
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.planning.decisions import Action, Presence, decide_move_tables
from greenplum_expansion.planning.joins import Joins, find_joins
from greenplum_expansion.planning.ranking import RankedTable, rank, unmatched
from greenplum_expansion.redistribution import engine, inheritance
from greenplum_expansion.request import TableOrder

JOB = "move_tables"
_SHOWN = 10
_WAIT_FOR_LEFT_SESSIONS = 600.0  # seconds


class RankTablesOperator(BaseOperator):
    """Write the order in which tables move into ``gpexpand.status_detail``.

    Probes: only while gpexpand is not moving tables, as it reads ranks once at its start. Repeating it changes nothing
    but the ranks of tables that have not moved.

    :return: number of tables ranked
    """

    ui_color = "#f4ecd8"

    def execute(self, context: Mapping[str, Any]) -> int:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            state = read_expansion_state(run.hook)
            present = run.directory.require_plan().presence(read_topology(run.hook))
            over = present is Presence.ALL and state.phase in (Phase.IDLE, Phase.COMPLETE, Phase.REDISTRIBUTING)
            if over:
                self.log.info("Nothing to rank: %s", state.because)
                record_step(context, started, "nothing to rank")
                return 0
            if not state.phase.may_redistribute:
                raise state.refuse(run.subject)
            tables = engine.read_tables_to_move(run.hook)
            ordered = self._order(run, tables)
            for pattern in unmatched(tables, run.request.important_tables):
                self.log.warning("Important table %s matches no table that is to be moved", pattern)
            written = engine.write_ranks(run.hook, ordered)
        for place, table in enumerate(ordered[:_SHOWN], start=1):
            self.log.info("%d. %s.%s, %d bytes", place, table.dbname, table.fq_name, table.source_bytes)
        record_step(context, started, f"{written} tables ranked, {run.request.order}")
        return written

    def _order(self, run: ExpansionRun, tables: list[RankedTable]) -> list[RankedTable]:
        request = run.request
        joins = Joins()
        if request.order is TableOrder.JOINED_TOGETHER:
            keys = engine.read_distribution_keys(run.hook, tables)
            joins = find_joins(tables, keys, request.join_groups)
            for name, count in sorted(Counter(joins.groups.values()).items()):
                self.log.info("%d tables belong together, %s", count, name)
        return rank(tables, request.important_tables, request.order, groups=joins.groups, replicated=joins.replicated)


class MoveTablesOperator(BaseOperator):
    """Start the redistribution as a detached job on the coordinator; a RedistributionSensor follows it.

    Probes the expansion's state first. Ready, stopped or crashed: run, which goes on with the tables that are left.
    Our gpexpand still at work: join it. Nothing left: succeed, touch nothing. Anything else is refused: a bare
    gpexpand would ask questions, or prepare.

    :return: the job's directory, None if nothing was left to do
    """

    ui_color = "#f7dcc0"

    def execute(self, context: Mapping[str, Any]) -> str | None:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            decision = decide_move_tables(
                run.subject,
                read_expansion_state(run.hook),
                run.directory.job_runs(JOB),
                run.directory.require_plan().presence(read_topology(run.hook)),
            )
            self.log.info("Decision: %s, because %s", decision.action, decision.because)
            if decision.action is Action.DONE:
                record_step(context, started, "nothing left")
                return None
            if decision.action is Action.RUN:
                engine.wait_for_left_sessions(run.hook, _WAIT_FOR_LEFT_SESSIONS)
                corrected = engine.reconcile(run.hook, read_topology(run.hook).segment_count)
                if read_version(run.hook).flavor.moves_children_with_parents:
                    corrected += inheritance.pass_by(run.hook)
                for sentence in corrected:
                    self.log.info("%s", sentence)
            command = engine.command(run.request.parallel_moves, run.request.analyze, read_gpexpand_options(run.hook))
            job = run.directory.start_job(JOB, command)
        self.log.info("gpexpand runs in %s", job.job_dir)
        record_step(context, started, decision.action)
        return job.job_dir
