"""The proof: what every table held before, what it holds afterwards, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.errors import ProofFailed, StepFailed
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.hooks.fingerprints import not_on_all_segments, read_tables, take_fingerprints
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.placement import look_for_rows
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.fingerprint import TableFingerprint, compare, skew, skew_by_table
from greenplum_expansion.planning.proof import SAMPLE, Whereabouts, newly_invalid, unproven
from greenplum_expansion.request import Places, Proof
from greenplum_expansion.triggers.mirrors import problems_now

_SHOWN = 20  # tables named in a message; all of them stand in the log


class FingerprintTablesOperator(BaseOperator):
    """Take the fingerprint of every table before anything changes, and keep it on the coordinator.

    Probes: a fingerprint taken is kept, unless the expansion has not begun (then a cleared task takes it anew, since
    the tables may have changed during a long wait for approval). Only reads the cluster.

    :return: number of tables and rows
    """

    ui_color = "#dbe6f4"

    def execute(self, context: Mapping[str, Any]) -> dict[str, int]:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            begun = run.directory.require_plan().presence(read_topology(run.hook)) is not Presence.NONE
            taken = run.directory.read_fingerprints("before")
            if begun and taken is None:
                raise StepFailed(
                    run.subject,
                    "its segments are in the catalog, but no fingerprint was taken before",
                    "nothing can be proven any more; go on by hand with task rank_tables",
                )
            if not begun:
                run.directory.write_invalid_indexes(invalid_indexes(run.hook))
                taken = take(run)
                run.directory.write_fingerprints("before", taken)
        assert taken is not None
        result = {"tables": len(taken), "rows": sum(fingerprint.rows for fingerprint in taken)}
        self.log.info("%(tables)d tables with %(rows)d rows", result)
        record_step(context, started, f"{result['tables']} tables, {result['rows']} rows")
        return result


class VerifyDistributionOperator(BaseOperator):
    """Prove that nothing is lost, and that everything lies where it should.

    Of every table of every database: it lies on all segments (leaf partitions by their own policy), holds what it held
    before, and is not random if it was distributed by a key; its rows, a sample or all, lie on the segments where the
    hash of their key puts them. All indexes are valid, all instances up and in sync. Writes nothing but temporary
    tables. With ``expect_writes`` differing rows are warnings; nothing else is.

    :return: the proof, as the report shows it: ``{proven, tables, rows, checksums, differences, appeared, not_moved,
        misplaced, places, scattered, invalid_indexes, mirrors, skew_before, skew_after, skew_tables}``
    :raises ProofFailed: naming the tables
    """

    ui_color = "#cfe8d8"

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            topology = read_topology(run.hook)
            plan = run.directory.require_plan()
            before = run.directory.read_fingerprints("before")
            if plan.presence(topology) is not Presence.ALL or before is None:
                raise StepFailed(
                    run.subject,
                    "it has not been carried out, so there is nothing to verify",
                    f"the cluster is '{read_expansion_state(run.hook).phase}'; finish the tasks before this one",
                )
            segments = topology.segment_count
            not_moved = list(not_on_all_segments(run.hook, segments))
            after = take(run)
            run.directory.write_fingerprints("after", after)
            comparison = compare(before, after, segments)
            places = self._look_for_rows(run, after, segments)
            counts = (plan.before.segment_count, segments)
            proof = {
                "tables": comparison.compared,
                "rows": comparison.rows,
                "checksums": run.request.proof is Proof.CHECKSUMS,
                "differences": [str(difference) for difference in comparison.differences],
                "appeared": list(comparison.appeared),
                "not_moved": not_moved,
                "misplaced": [str(placement) for placement in places.wrong],
                "places": places.to_dict(),
                "scattered": list(comparison.scattered),
                "invalid_indexes": newly_invalid(run.directory.read_invalid_indexes(), invalid_indexes(run.hook)),
                "mirrors": problems_now(run.request.greenplum_conn_id),
                "skew_before": skew(before, plan.before.segment_count).to_dict(),
                "skew_after": skew(after, segments).to_dict(),
                "skew_tables": [list(row) for row in skew_by_table(before, after, counts)],
            }
            proof["proven"] = not unproven(proof, expect_writes=False)
            run.hook.coordinator().write_json(run.directory.file("proof.json"), proof)
            context["ti"].xcom_push(key="proof", value=_shortened(proof))
            self._judge(proof, expect_writes=run.request.expect_writes)
        record_step(context, started, f"{proof['tables']} tables proven, {proof['rows']} rows")
        return _shortened(proof)

    def _look_for_rows(self, run: ExpansionRun, after: list[TableFingerprint], segments: int) -> Whereabouts:
        full = run.request.proof_of_places is Places.ALL
        placements = look_for_rows(
            run.hook,
            read_tables(run.hook),
            {fingerprint.key: fingerprint.rows for fingerprint in after},
            segments=segments,
            sample=None if full else SAMPLE,
            sessions=run.request.parallel_moves,
        )
        return Whereabouts.of(placements, full=full)

    def _judge(self, proof: Mapping[str, Any], *, expect_writes: bool) -> None:
        for sentence in unproven(proof, expect_writes=False):
            self.log.warning("%s", sentence)
        wrong = unproven(proof, expect_writes=expect_writes)
        if wrong:
            raise ProofFailed(
                f"{len(wrong)} things are not as they should be",
                "; ".join(wrong[:_SHOWN]) + ("; and more, see the log" if len(wrong) > _SHOWN else ""),
                _next(proof),
            )


_REMEDIES = {
    "not_moved": "tables not moved: clear redistribute.move_tables",
    "misplaced": "rows on a wrong segment, which a query by their key does not find: `ALTER TABLE … SET WITH "
    "(REORGANIZE=true)` puts them right",
    "scattered": "tables that are random now: `ALTER TABLE … SET DISTRIBUTED BY (…)` with the key they had",
    "invalid_indexes": "invalid indexes: REINDEX",
    "mirrors": "instances: `gprecoverseg -a`, then wait until `gpstate -e` is content",
    "differences": "rows that differ: if applications wrote meanwhile, set 'The cluster is written to meanwhile' next "
    "time, else compare with the backup first of all; a failover empties unlogged tables",
}


def _next(proof: Mapping[str, Any]) -> str:
    remedies = "; ".join(remedy for part, remedy in _REMEDIES.items() if proof[part])
    return (
        f"{remedies}. Then clear this task; or, once it is explained, mark it as success and clear clean_up with what "
        "follows: the expansion is then ended, the report keeps what was found"
    )


def take(run: ExpansionRun) -> list[TableFingerprint]:
    """Fingerprints of all tables, as the request wants them."""
    return take_fingerprints(
        run.hook,
        read_tables(run.hook),
        checksums=run.request.proof is Proof.CHECKSUMS,
        sessions=run.request.parallel_moves,
    )


def invalid_indexes(hook: GreenplumHook) -> list[str]:
    """Names of the invalid indexes of every database."""
    return [
        f"{dbname}.{row['fq_name']}"
        for dbname in hook.databases()
        for row in hook.query("invalid_indexes", dbname=dbname)
    ]


def _shortened(proof: dict[str, Any]) -> dict[str, Any]:
    """Fit for XCom: the whole stands in proof.json on the coordinator."""
    return {
        key: [*value[:_SHOWN], f"and {len(value) - _SHOWN} more, in proof.json"]
        if isinstance(value, list) and len(value) > _SHOWN
        else value
        for key, value in proof.items()
    }
