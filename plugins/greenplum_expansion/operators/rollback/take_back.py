"""The way back: what gpexpand has begun is undone, and what it leaves behind is cleaned up."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.state import Phase, Stage, StatusFile
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks import leftovers, places
from greenplum_expansion.hooks.expansion_directory import INPUT_FILE, ExpansionDirectory, taking_back
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE, read_expansion_state, read_status_file, read_topology
from greenplum_expansion.hooks.fingerprints import read_tables
from greenplum_expansion.operators.rollback.forward import APPROVED_KEY
from greenplum_expansion.operators.rollback.run import RollbackRun, Situation, rollback_run
from greenplum_expansion.operators.run import record_step, started_now
from greenplum_expansion.planning.decisions import RollbackAction
from greenplum_expansion.planning.places import HostBefore, Owner, judge_owner, tar_directory
from greenplum_expansion.planning.plan import Plan, differences

_WAIT_FOR_PORTS = 60.0  # seconds


class RollBackOperator(BaseOperator):
    """Take back a preparation that failed before the catalog changed (``gpexpand -r``), and clean up behind it.

    Probes again. Nothing begun, or taken back already: only look for what is left on the new hosts. Failed early:

    1. end what the dead gpexpand left at work: its ssh and pg_basebackup here, its helpers and servers on the new hosts
       (found by data directory), its hold on the catalog lock;
    2. move aside what is in a planned directory and is not proven to be gpexpand's, as gpexpand -r empties them all;
    3. ``gpexpand -r`` from the directory -i ran in; if a new host is gone and the catalog is as before, or if it fails
       over something else then, its work is done here;
    4. wait until the ports are free, put back what was moved aside, remove lock files and template.

    A schema gpexpand without status is dropped, if a person has approved it and no table has moved. Past the point of
    no return: succeed, touch nothing. Safe to repeat, and to be killed, at any moment. While it works add_segments does
    not begin (``taking_back``).

    Refused unless the half-done preparation is this expansion's own, as its input file decides what is deleted.

    :param approval_task: task id of the ApproveForwardOperator
    :return: what was decided
    """

    ui_color = "#f7c9b6"

    def __init__(self, *, approval_task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval_task = approval_task

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with rollback_run(context) as run, taking_back(run.find_expansion(), context["dag_run"].run_id):
            situation = run.look()
            decision = run.decide(situation)
            self.log.info("%s: %s", decision.action, decision.because)
            if decision.action is RollbackAction.ROLL_BACK:
                self._roll_back(run, situation)
            elif decision.action is RollbackAction.DROP_SCHEMA:
                self._drop_schema(context, run, situation)
            if decision.action in (RollbackAction.NOTHING, RollbackAction.ROLL_BACK) and situation.plan is not None:
                self._clean_up(run, *situation.require_plan(run.subject))
        record_step(context, started, decision.action)
        return decision.action.value

    # --- gpexpand -r -------------------------------------------------------------------------------------------------

    def _roll_back(self, run: RollbackRun, situation: Situation) -> None:
        status = StatusFile.parse(read_status_file(run.hook) or "")
        directory, plan = self._require_own(run, situation, status)
        ended_here = leftovers.stop_on_coordinator(run.hook, directory)
        for line in ended_here:
            self.log.info("coordinator: %s", line)
        if ended_here:
            run.tell(f"{len(ended_here)} processes that gpexpand had left on the coordinator were ended")
        if ended := leftovers.end_catalog_locks(run.hook):
            self._say(run, "coordinator", [f"{ended} sessions with gpexpand's lock on the catalog ended"])
        recorded, away = places.read_recorded(run.hook, directory), []
        for hostname, instances in places.instances_by_host(plan).items():
            if why := places.reachable(run.hook, instances):
                away.append(hostname)
                run.tell(f"{hostname} cannot be reached ({why}); what gpexpand built there is still there")
                continue
            self._make_way(run, directory, instances, recorded.get(hostname))
        if away and not differences(plan.before, read_topology(run.hook)):
            # It would give up over the host; or, should that come back just now, empty what nobody has looked at.
            self.log.info("gpexpand -r is not run, as %s is away; its work is done here", ", ".join(away))
            self._complete(run, directory, status)
            return
        result = run.hook.run_utility(["gpexpand", "-r"], stdin="", check=False, cwd=directory.path, timeout=3600)
        said = (result.stdout + result.stderr).splitlines()
        for line in said:
            self.log.info("gpexpand: %s", line)
        after = read_expansion_state(run.hook)
        if after.phase is Phase.PREPARATION_FAILED:
            self._require_catalog_as_before(run, plan, said)
            self._complete(run, directory, status)
        elif after.phase is not Phase.IDLE:
            raise StepFailed(f"{run.subject}: gpexpand -r", f"{after.phase}: {after.because}", after.next_action)

    def _require_own(
        self, run: RollbackRun, situation: Situation, status: StatusFile
    ) -> tuple[ExpansionDirectory, Plan]:
        own = situation.directory.file(INPUT_FILE) if situation.directory else None
        # Before its second line the status file names no input file; then there is nothing to delete either.
        if status.input_file is not None and status.input_file != own:
            raise ActionRefused(
                run.subject,
                f"the half-done preparation was begun with {status.input_file}, no file of the newest expansion",
                "look at that file, as gpexpand -r deletes every directory named in it; then run gpexpand -r by hand",
            )
        directory, plan = situation.require_plan(run.subject)
        if occupants := plan.occupants(situation.topology):
            raise ActionRefused(
                run.subject,
                f"gpexpand -r would empty directories that are in use: {', '.join(map(str, occupants))}",
                "ask the vendor's support: the status file belongs to an expansion that is not the cluster's last",
            )
        if run.hook.coordinator().read_text(directory.file(INPUT_FILE)) != plan.input_file:
            raise ActionRefused(
                run.subject,
                f"{own} was changed after the preparation began, and gpexpand -r deletes what is named in it",
                "compare it with plan.json beside it, restore it, then clear this task",
            )
        return directory, plan

    def _make_way(
        self,
        run: RollbackRun,
        directory: ExpansionDirectory,
        instances: list[NewInstance],
        before: HostBefore | None,
    ) -> None:
        """End what works on one new host for gpexpand, and move aside what is not gpexpand's."""
        host = places.open_host(run.hook, instances)
        # First, as they would make anew what gpexpand -r deletes.
        self._say(run, host.hostname, leftovers.stop_helpers(host, [i.datadir for i in instances]))
        own, others = self._owners(run, instances, before)
        self._say(run, host.hostname, leftovers.stop_servers(host, own))
        for datadir, why in others.items():
            aside = places.move_aside(run.hook, directory, host, datadir)
            self.log.info("%s: %s is not gpexpand's: %s; it lies in %s now", host.hostname, datadir, why, aside)

    def _owners(
        self, run: RollbackRun, instances: list[NewInstance], before: HostBefore | None
    ) -> tuple[list[str], dict[str, str]]:
        """One host's planned directories: those that are gpexpand's or nobody's, and the others with the reason."""
        host = places.open_host(run.hook, instances)
        _, found = places.look_at_places(host, [i.datadir for i in instances], before.now if before else None)
        template = places.read_template(run.hook)
        own, others = [], {}
        for instance, place in zip(instances, found, strict=True):
            owner, why = judge_owner(place, instance, before, template)
            if owner is Owner.OTHERS:
                others[instance.datadir] = why
            else:
                own.append(instance.datadir)
        return own, others

    def _require_catalog_as_before(self, run: RollbackRun, plan: Plan, said: list[str]) -> None:
        """:raises StepFailed: it is not, and only gpexpand may put that right."""
        wrong = differences(plan.before, read_topology(run.hook))
        if wrong:
            errors = " / ".join(line for line in said if "[ERROR]" in line or "[CRITICAL]" in line)
            raise StepFailed(
                f"{run.subject}: gpexpand -r",
                f"gp_segment_configuration is not as before: {'; '.join(wrong)}. gpexpand said: {errors}",
                "mend what it complains about, then clear this task",
            )

    def _complete(self, run: RollbackRun, directory: ExpansionDirectory, status: StatusFile) -> None:
        """Do what gpexpand -r does but for the new hosts; those are cleaned up behind it in any case."""
        template = next((value for stage, value in status.lines if stage is Stage.BUILD_SEGMENT_TEMPLATE_STARTED), None)
        leftovers.remove_coordinator_files(run.hook, directory, template)
        leftovers.forget_preparation(run.hook)
        run.tell("gpexpand -r could not do all of its work; it was done by this task")

    # --- behind it ---------------------------------------------------------------------------------------------------

    def _clean_up(self, run: RollbackRun, directory: ExpansionDirectory, plan: Plan) -> None:
        """What gpexpand -r leaves: servers, locks, template, files on a host that was away at the time.

        Nothing at all if somebody has expanded the cluster into these directories since.
        """
        if occupants := plan.occupants(read_topology(run.hook)):
            run.tell(
                f"the new hosts were left alone, as {', '.join(map(str, occupants))} lie where this plan's were to be"
            )
            return
        removed = leftovers.remove_coordinator_files(run.hook, directory, None)
        removed += leftovers.remove_template_tablespaces(run.hook, plan)
        self._say(run, "coordinator", [f"removed {path}" for path in removed])
        leftovers.forget_copies(run.hook, plan.before)
        recorded = places.read_recorded(run.hook, directory)
        for hostname, instances in places.instances_by_host(plan).items():
            if why := places.reachable(run.hook, instances):
                if hostname in recorded:
                    run.tell(f"when {hostname} is back ({why}), run greenplum_rollback once more: it cleans up there")
                continue
            if hostname in recorded:
                self._clean_host(run, directory, plan, instances, recorded[hostname])
            self._put_back(run, directory, hostname)

    def _clean_host(
        self,
        run: RollbackRun,
        directory: ExpansionDirectory,
        plan: Plan,
        instances: list[NewInstance],
        before: HostBefore,
    ) -> None:
        """Without a record of what was there before, gpexpand was never started there, or it is as before again."""
        host = places.open_host(run.hook, instances)
        self._say(run, host.hostname, leftovers.stop_helpers(host, [i.datadir for i in instances]))
        own, _ = self._owners(run, instances, before)
        self._say(run, host.hostname, leftovers.stop_servers(host, own))
        built = [*own, *places.built_tablespaces(host, plan, before)]
        places.remove_built(host, built, dict(before.modes))
        places.remove_file(host, posixpath.join(tar_directory(plan.new), leftovers.TAR))
        self._say(run, host.hostname, leftovers.remove_socket_locks(host, [(i.port, i.datadir) for i in instances]))
        for port in leftovers.ports_in_use(host, [i.port for i in instances], _WAIT_FOR_PORTS if own else 0):
            run.tell(f"{host.hostname}: port {port} is in use by something that is not gpexpand's")

    def _put_back(self, run: RollbackRun, directory: ExpansionDirectory, hostname: str) -> None:
        for datadir, now in places.put_back(run.hook, directory, hostname):
            run.tell(
                f"{hostname}:{datadir} was not gpexpand's: "
                + ("it was moved aside and put back" if now == datadir else f"it lies in {now}, as its place is taken")
            )

    # --- stuck -------------------------------------------------------------------------------------------------------

    def _drop_schema(self, context: Mapping[str, Any], run: RollbackRun, situation: Situation) -> None:
        """Drop gpexpand's schema, from which nothing has come: no table may lie on more segments than there were."""
        directory, plan = situation.require_plan(run.subject)
        if context["ti"].xcom_pull(task_ids=self.approval_task, key=APPROVED_KEY) != RollbackAction.DROP_SCHEMA:
            raise ActionRefused(
                run.subject,
                f"nobody has approved to drop schema gpexpand: {situation.state.because}",
                f"clear task {self.approval_task} and approve",
            )
        moved = [
            f"{table.dbname}.{table.fq_name}"
            for table in read_tables(run.hook)
            if table.segments > plan.before.segment_count
        ]
        if moved:
            raise ActionRefused(
                run.subject, f"tables lie on new segments already: {', '.join(moved[:5])}", "ask the vendor's support"
            )
        run.hook.query("drop_expansion_schema", dbname=SCHEMA_DATABASE)
        run.tell("schema gpexpand, which was without status, was dropped; no table had moved")
        self._clean_up(run, directory, plan)

    def _say(self, run: RollbackRun, where: str, lines: list[str]) -> None:
        for line in lines:
            self.log.info("%s: %s", where, line)
            run.tell(f"{where}: {line}")
