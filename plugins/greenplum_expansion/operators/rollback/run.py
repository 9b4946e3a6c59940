"""A rollback as a task sees it: its request, the cluster as it is, and the expansion that left it so."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.claim import ClusterClaim
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.server import ServerMode, reach_coordinator
from greenplum_expansion.operators.run import final_errors
from greenplum_expansion.planning.decisions import Presence, RollbackDecision, decide_roll_back
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.request import RollbackRequest, parse_request

WAIT_FOR_GPEXPAND = 120.0  # seconds
TOLD_KEY = "told"


@dataclass(frozen=True)
class Situation:
    """The cluster at one moment.

    :param directory: of the newest expansion; None if none ever claimed the cluster
    :param plan: None if that expansion made none
    """

    state: ExpansionState
    topology: Topology
    directory: ExpansionDirectory | None
    plan: Plan | None

    @property
    def presence(self) -> Presence | None:
        """Of the plan's segments in the catalog; None without a plan."""
        return self.plan.presence(self.topology) if self.plan else None

    @property
    def mirrors_missing(self) -> bool:
        """Some of the plan's mirrors are in the catalog but do not run."""
        planned = {instance.dbid for instance in self.plan.new if not instance.is_primary} if self.plan else set()
        return any(not instance.is_up for instance in self.topology.instances if instance.dbid in planned)

    def require_plan(self, subject: str) -> tuple[ExpansionDirectory, Plan]:
        """:raises ActionRefused: what is half done is no expansion of ours."""
        if self.directory is None or self.plan is None:
            raise self.state.refuse(f"{subject}, of which no task made a plan")
        return self.directory, self.plan


class RollbackRun:
    """The expansion that the DAG run in `context` is to take back."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.context = context
        self.request = parse_request(RollbackRequest, dict(context["params"]))
        self.hook = GreenplumHook(self.request.greenplum_conn_id)
        self.mode = reach_coordinator(self.hook)
        self.claim = ClusterClaim(self.hook)
        self.told: list[str] = []

    @property
    def subject(self) -> str:
        return f"Rollback on connection {self.request.greenplum_conn_id}"

    def tell(self, sentence: str) -> None:
        """Keep for the report what a person should know."""
        self.told.append(sentence)

    def find_expansion(self) -> ExpansionDirectory | None:
        """Its directory; None if no expansion ever claimed this cluster."""
        held = self.claim.read()
        if held is None:
            return None
        wished = self.request.expansion_id or held.expansion_id
        if wished != held.expansion_id:
            raise ActionRefused(
                f"Rollback of expansion {wished}",
                f"the cluster's newest expansion is {held.expansion_id}; what is half done now belongs to that one",
                "roll back the newest expansion, or leave the name empty",
            )
        return ExpansionDirectory(self.hook, wished)

    def look(self, patience: float = WAIT_FOR_GPEXPAND) -> Situation:
        """The cluster as it is, as soon as no preparation runs any more, or after `patience` (seconds).

        :raises StepFailed: its server is down
        """
        if self.mode is ServerMode.DOWN:
            raise StepFailed(self.subject, "the cluster is down", "clear task start_cluster and all that follows")
        state = wait_while_preparing(self.hook, patience)
        directory = self.find_expansion()
        return Situation(state, read_topology(self.hook), directory, directory.read_plan() if directory else None)

    def decide(self, situation: Situation) -> RollbackDecision:
        """What can be done about it. :raises ActionRefused: nothing by us"""
        return decide_roll_back(self.subject, situation.state, situation.presence, situation.mirrors_missing)


@contextmanager
def rollback_run(context: Mapping[str, Any]) -> Iterator[RollbackRun]:
    """The run of this task, closed at its end; errors that no retry mends end the task at once.

    What it told is kept for the report also if it fails.
    """
    with final_errors():
        run = RollbackRun(context)
        try:
            yield run
        finally:
            if run.told:
                context["ti"].xcom_push(key=TOLD_KEY, value=run.told)
            run.hook.close()


def wait_while_preparing(hook: GreenplumHook, seconds: float) -> ExpansionState:
    """The state as soon as no preparation runs any more, or after `seconds`.

    Marking add_segments failed sends gpexpand SIGINT, and triggers the rollback in the same moment.
    """
    deadline = time.monotonic() + seconds
    while True:
        state = read_expansion_state(hook)
        if state.phase is not Phase.PREPARING or time.monotonic() > deadline:
            return state
        time.sleep(2)
