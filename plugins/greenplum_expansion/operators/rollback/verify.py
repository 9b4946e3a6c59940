"""The proof: the cluster is as it was before the expansion, or clearly forward."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ProofFailed, StepFailed
from greenplum_expansion.hooks import leftovers, places
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.fingerprints import read_tables, take_fingerprints
from greenplum_expansion.hooks.server import ServerMode, was_restricted_by_us
from greenplum_expansion.operators.rollback.run import RollbackRun, Situation, rollback_run
from greenplum_expansion.operators.run import record_step, run_is_active, started_now, this_airflow
from greenplum_expansion.planning.decisions import RollbackAction
from greenplum_expansion.planning.fingerprint import TableFingerprint, compare
from greenplum_expansion.planning.places import Owner, judge_owner, tar_directory
from greenplum_expansion.planning.plan import Plan, differences

_SHOWN = 10
_SESSIONS = 4  # tables read at a time


class VerifyRollbackOperator(BaseOperator):
    """Prove that nothing is half done any more: the cluster is as before the expansion, or forward and ready.

    As before: gp_segment_configuration as in the plan, no file and no server of gpexpand's on the reachable new hosts
    and on the coordinator, no table on more segments than there were, and every table's rows and checksums as in the
    fingerprints, where they were taken. Forward: all segments in the catalog, set-up finished.

    Forgets what it has proven to be gone, as what comes to lie there later is none of this expansion's; else it
    only reads. After a state in which a rollback can do nothing it says so and fails, so that the run does not look
    like a success.

    :param forward_task: task id of the FinishForwardOperator
    :return: what is proven, in a sentence
    :raises ProofFailed, StepFailed, ActionRefused: what is not as it should be, and what to do
    """

    ui_color = "#cfe8d8"

    def __init__(self, *, forward_task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.forward_task = forward_task

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with rollback_run(context) as run:
            situation = run.look()
            if run.mode is not ServerMode.NORMAL and was_restricted_by_us(run.hook):
                raise StepFailed(run.subject, f"the cluster runs {run.mode}", "clear task open_cluster")
            forward = context["ti"].xcom_pull(task_ids=self.forward_task) == RollbackAction.FINISH_FORWARD
            if situation.state.phase is Phase.READY and forward:
                outcome = self._verify_forward(run, situation)
            elif situation.state.phase is not Phase.IDLE:
                raise situation.state.refuse(f"{run.subject}: the expansion cannot be taken back")
            elif situation.plan is None or situation.directory is None:
                outcome = "nothing had been planned, so nothing was changed"
            else:
                outcome = self._verify_back(run, situation.directory, situation.plan, situation)
                outcome += self._release_claim(context, run, situation.directory.expansion_id)
        self.log.info("%s", outcome)
        record_step(context, started, outcome)
        return outcome

    def _verify_forward(self, run: RollbackRun, situation: Situation) -> str:
        run.decide(situation)  # refuses what is neither here nor there
        if situation.mirrors_missing:
            raise StepFailed(run.subject, "not all new mirrors run", "clear task finish_forward and all that follows")
        return "finished forward: clear task add_segments of the expansion's run with all that follows"

    def _verify_back(self, run: RollbackRun, directory: ExpansionDirectory, plan: Plan, situation: Situation) -> str:
        wrong = differences(plan.before, situation.topology)
        if wrong:
            raise StepFailed(
                run.subject,
                "gp_segment_configuration is not as before: " + "; ".join(wrong),
                "compare it with plan.json of the expansion; if that is complete there is nothing to do",
            )
        left = [
            f"{table.dbname}.{table.fq_name} lies on {table.segments} segments"
            for table in read_tables(run.hook)
            if table.segments > plan.before.segment_count
        ]
        left += self._left_on_coordinator(run, directory)
        reached = [
            hostname
            for hostname, instances in places.instances_by_host(plan).items()
            if not places.reachable(run.hook, instances)
        ]
        for hostname in reached:
            left += self._left_on_host(run, directory, plan, hostname)
        if left:
            raise StepFailed(
                run.subject, "not everything is as before: " + "; ".join(left[:_SHOWN]), "clear task roll_back"
            )
        proven = f"the catalog is as before: {plan.before.segment_count} segments" + self._compare(run, directory, plan)
        places.forget_recorded(run.hook, directory, reached)
        return proven

    def _left_on_coordinator(self, run: RollbackRun, directory: ExpansionDirectory) -> list[str]:
        data = run.hook.environment().coordinator_data_directory
        paths = [*(posixpath.join(data, name) for name in leftovers.STATUS_FILES), directory.file(leftovers.TAR)]
        return [f"{path} is left on the coordinator" for path in paths if run.hook.coordinator().exists(path)]

    def _left_on_host(self, run: RollbackRun, directory: ExpansionDirectory, plan: Plan, hostname: str) -> list[str]:
        instances = places.instances_by_host(plan)[hostname]
        host = places.open_host(run.hook, instances)
        before = places.read_recorded(run.hook, directory).get(hostname)
        if before is None:
            return []  # gpexpand was never started there, or all of it was seen to be gone
        _, found = places.look_at_places(host, [i.datadir for i in instances], before.now)
        template = places.read_template(run.hook)
        left = [
            f"{hostname}:{place.datadir} holds what gpexpand built"
            for instance, place in zip(instances, found, strict=True)
            if judge_owner(place, instance, before, template)[0] is Owner.GPEXPAND
        ]
        left += [f"{hostname}: {line}" for line in leftovers.find_processes(host, [i.datadir for i in instances])]
        left += [f"{hostname}:{path} holds tables" for path in places.built_tablespaces(host, plan, before)]
        tar = posixpath.join(tar_directory(plan.new), leftovers.TAR)
        if host.exists(tar):
            left.append(f"{hostname}:{tar}")
        return left

    def _compare(self, run: RollbackRun, directory: ExpansionDirectory, plan: Plan) -> str:
        """Every row of every table is there, if it was looked at before."""
        before = directory.read_fingerprints("before") if run.request.compare_data else None
        if before is None:
            return ""
        checksums = any(fingerprint.checksum is not None for fingerprint in before)
        after = take_fingerprints(run.hook, read_tables(run.hook), checksums=checksums, sessions=_SESSIONS)
        comparison = compare(before, after, plan.before.segment_count)
        lossy = self._emptied(run, before, after) if comparison.differences else set()
        for name in sorted(lossy):
            run.tell(f"{name} is unlogged: the server empties such a table when it recovers from a crash")
        differing = [str(difference) for difference in comparison.differences if difference.table not in lossy]
        for sentence in differing:
            self.log.warning("%s", sentence)
        if not differing:
            but = f", but for {len(lossy)} unlogged that a crash has emptied" if lossy else ""
            return f", and {comparison.rows} rows in {comparison.compared} tables are, too{but}"
        if run.request.expect_writes:
            run.tell(f"{len(differing)} tables differ from before, as the cluster is written to: {differing[0]} …")
            return f"; {len(differing)} of {comparison.compared} tables were written to meanwhile"
        raise ProofFailed(
            f"{len(differing)} tables are not as before",
            "; ".join(differing[:_SHOWN]),
            "if applications wrote meanwhile, trigger again with 'The cluster is written to meanwhile'; a rollback "
            "itself touches no table",
        )

    def _emptied(
        self, run: RollbackRun, before: Sequence[TableFingerprint], after: Sequence[TableFingerprint]
    ) -> set[str]:
        """Unlogged tables that have lost rows: no expansion does that, but a server that was killed."""
        unlogged = {
            f"{dbname}.{row['fq_name']}"
            for dbname in run.hook.databases()
            for row in run.hook.query("unlogged_tables", dbname=dbname)
        }
        now = {fingerprint.key: fingerprint.rows for fingerprint in after}
        return {old.name for old in before if old.name in unlogged and now.get(old.key, old.rows) < old.rows}

    def _release_claim(self, context: Mapping[str, Any], run: RollbackRun, expansion_id: str) -> str:
        """Let the next expansion have the cluster, unless this one still goes on (waits for its approval, say)."""
        held = run.claim.read()
        if held is None or held.expansion_id != expansion_id or held.released:
            return ""
        if held.airflow != this_airflow():
            return f"; the Airflow at {held.airflow} keeps its claim on the cluster for run {held.run_id}"
        if run_is_active(context["ti"], held.dag_id, held.run_id):
            return f"; run {held.run_id} goes on and keeps the cluster"
        run.claim.release(expansion_id)
        return ""
