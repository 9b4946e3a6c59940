"""The proof: what every table held before, what it holds afterwards, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.errors import ProofFailed, StepFailed
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.hooks.fingerprints import not_on_all_segments, read_tables, take_fingerprints
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.fingerprint import Difference, TableFingerprint, compare, skew
from greenplum_expansion.request import Proof

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
                taken = take(run)
                run.directory.write_fingerprints("before", taken)
        assert taken is not None
        result = {"tables": len(taken), "rows": sum(fingerprint.rows for fingerprint in taken)}
        self.log.info("%(tables)d tables with %(rows)d rows", result)
        record_step(context, started, f"{result['tables']} tables, {result['rows']} rows")
        return result


class VerifyDistributionOperator(BaseOperator):
    """Prove that every table lies on all segments and holds what it held before.

    Reads only. With ``expect_writes`` differing rows are warnings; tables that do not lie on all segments never are.

    :return: the proof, as the report shows it: ``{proven, tables, rows, checksums, differences, not_moved, skew_before,
        skew_after}``
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
            not_moved = list(not_on_all_segments(run.hook, topology.segment_count))
            after = take(run)
            run.directory.write_fingerprints("after", after)
            comparison = compare(before, after, topology.segment_count)
            proof = {
                "proven": not not_moved and not comparison.differences,
                "tables": comparison.compared,
                "rows": comparison.rows,
                "checksums": run.request.proof is Proof.CHECKSUMS,
                "differences": [str(difference) for difference in comparison.differences],
                "appeared": list(comparison.appeared),
                "not_moved": not_moved,
                "skew_before": skew(before, plan.before.segment_count).to_dict(),
                "skew_after": skew(after, topology.segment_count).to_dict(),
            }
            run.hook.coordinator().write_json(run.directory.file("proof.json"), proof)
            context["ti"].xcom_push(key="proof", value=_shortened(proof))
            self._judge(run, not_moved, list(comparison.differences))
        record_step(context, started, f"{proof['tables']} tables proven, {proof['rows']} rows")
        return _shortened(proof)

    def _judge(self, run: ExpansionRun, not_moved: list[str], found: list[Difference]) -> None:
        differences = [str(difference) for difference in found]
        for sentence in (*not_moved, *differences):
            self.log.warning("%s", sentence)
        wrong = not_moved if run.request.expect_writes else [*not_moved, *differences]
        if wrong:
            raise ProofFailed(
                f"{len(wrong)} tables are not proven",
                "; ".join(wrong[:_SHOWN]) + ("; and more, see the log" if len(wrong) > _SHOWN else ""),
                "tables not moved: clear redistribute.move_tables; rows that differ: if applications wrote meanwhile, "
                "set 'The cluster is written to meanwhile' next time, else compare with the backup first of all; a "
                "failover empties unlogged tables. Once it is explained, mark this task as success and clear clean_up "
                "with what follows: the expansion is then ended, the report keeps what differs",
            )


def take(run: ExpansionRun) -> list[TableFingerprint]:
    """Fingerprints of all tables, as the request wants them."""
    return take_fingerprints(
        run.hook,
        read_tables(run.hook),
        checksums=run.request.proof is Proof.CHECKSUMS,
        sessions=run.request.parallel_moves,
    )


def _shortened(proof: dict[str, Any]) -> dict[str, Any]:
    """Fit for XCom: the whole stands in proof.json on the coordinator."""
    return {
        key: [*value[:_SHOWN], f"and {len(value) - _SHOWN} more, in proof.json"]
        if isinstance(value, list) and len(value) > _SHOWN
        else value
        for key, value in proof.items()
    }
