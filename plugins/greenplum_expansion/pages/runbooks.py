"""What our DAGs do, as a person follows it: a dozen phases instead of forty tasks, and where there is no way back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from greenplum_expansion.pages.access import EXPAND, LOOK, REDISTRIBUTE, ROLL_BACK, STEER

KINDS = {
    EXPAND: "Expansion",
    ROLL_BACK: "Rollback",
    REDISTRIBUTE: "Redistribution",
    LOOK: "A look",
    STEER: "Steering",
}
"""What people call a run of each."""
ONE_AT_A_TIME = (ROLL_BACK, REDISTRIBUTE, STEER)
"""A run of these waits until the one before has ended."""


@dataclass(frozen=True)
class Phase:
    """A part of the runbook.

    :param tasks: ids of its tasks, or what they begin with if it ends with a dot
    :param no_return: behind it the way is forward only
    """

    key: str
    title: str
    what: str
    tasks: tuple[str, ...]
    no_return: bool = False
    only_if_run: bool = False

    def holds(self, task_id: str) -> bool:
        return any(task_id == own or (own.endswith(".") and task_id.startswith(own)) for own in self.tasks)


RUNBOOK = (
    Phase(
        "check",
        "Check cluster and new hosts",
        "Everything is looked at, nothing is changed; errors stop here.",
        ("check_cluster.", "check_new_hosts.", "judge_findings"),
    ),
    Phase("survey", "Survey", "Sizes, kinds, skew and bloat, to compare with at the end.", ("survey_before",)),
    Phase(
        "hosts",
        "Prepare the new hosts",
        "System settings, user and directories, software, keys; then their hardware is measured.",
        ("prepare_hosts.", "prepare_hosts_files", "exchange_keys", "check_prepared_hosts", "measure_hardware"),
    ),
    Phase("backup", "Back up", "As much as was asked for.", ("back_up",)),
    Phase(
        "plan",
        "Plan and approval",
        "What will be done is written down, and somebody decides.",
        ("make_plan", "approve_plan", "approve_edit"),
    ),
    Phase(
        "segments",
        "Add the segments",
        "No table can be created, altered or dropped meanwhile. Within it the catalog changes: from there on the way "
        "is forward only.",
        ("fingerprint_tables", "drain_sessions", "add_segments", "wait_for_mirrors"),
        no_return=True,
    ),
    Phase(
        "tables",
        "Move the tables",
        "One after the other; each can be neither read nor written while it moves.",
        ("rank_tables", "redistribute."),
    ),
    Phase(
        "proof",
        "Prove",
        "Every table on all segments, rows and checksums as before.",
        ("verify_distribution", "survey_after"),
    ),
    Phase("end", "Finish", "Restart if asked for, clean up, report.", ("restart_cluster", "clean_up", "report")),
    Phase("rollback", "Roll back", "Adding the segments failed, and is taken back.", ("roll_back",), only_if_run=True),
)

ROLLBACK = (
    Phase(
        "look", "Look", "In which state the cluster is, and what can be done about it. Nothing is changed.", ("probe",)
    ),
    Phase(
        "reach",
        "Make the cluster ready",
        "As far as it was asked for: a gpexpand that is still at work is stopped, a cluster that is down is started.",
        ("stop_gpexpand", "start_cluster"),
    ),
    Phase(
        "ask",
        "Ask, if there is no way back",
        "Past the point of no return an expansion can only be finished; somebody decides. Rejecting leaves all as is.",
        ("approve_forward",),
    ),
    Phase(
        "back",
        "Take back",
        "Before that point: what gpexpand had built goes, what had lain there before comes back to its place.",
        ("roll_back",),
    ),
    Phase(
        "forward",
        "Finish forward",
        "Behind that point: gpexpand completes the new segments, and their mirrors come in sync.",
        ("finish_forward", "wait_for_mirrors"),
    ),
    Phase(
        "open",
        "Open the cluster",
        "If it was started for superusers only, everybody may come in again.",
        ("open_cluster",),
    ),
    Phase("proof", "Prove", "The cluster is as it was before, or whole with its new segments.", ("verify",)),
    Phase(
        "hosts",
        "Undo the preparation",
        "Only if asked for: what was changed on hosts is put back from the saved files.",
        ("undo_preparation",),
    ),
    Phase("report", "Report", "What was found, done and proven.", ("report",)),
)

WINDOW = (
    Phase(
        "look",
        "Look",
        "Whether there is an expansion with tables left, and whether this window is still open.",
        ("probe",),
    ),
    Phase(
        "tables",
        "Move the tables",
        "What fits into the window, in the order of the expansion; what is left is for the next one.",
        ("redistribute.",),
    ),
    Phase("report", "Report", "What has moved, what failed, what is left.", ("report",)),
)

LOOKING = (
    Phase("cluster", "Look at the cluster", "Version, segments, sizes, state.", ("cluster",)),
    Phase("tables", "Measure the tables", "Only if asked for: their sizes, for a forecast.", ("workload",)),
    Phase("hosts", "Look at the new hosts", "Each as the coordinator sees it.", ("places", "host")),
)

STEERING = (Phase("steer", "Steer", "What was asked for is written down; moves follow it within seconds.", ("steer",)),)

RUNBOOKS = {EXPAND: RUNBOOK, ROLL_BACK: ROLLBACK, REDISTRIBUTE: WINDOW, LOOK: LOOKING, STEER: STEERING}
"""The phases of each DAG."""


def phases_of(dag_id: str, task_ids: Iterable[str]) -> tuple[Phase, ...]:
    """Those of a DAG; a task that is in none of them, as of another version, is one for itself."""
    known = RUNBOOKS.get(dag_id, ())
    others = [task_id for task_id in dict.fromkeys(task_ids) if not any(phase.holds(task_id) for phase in known)]
    return (*known, *(Phase(name, _words(name), "", (name,)) for name in others))


def titles_of(dag_id: str, task_ids: Iterable[str]) -> tuple[str, ...]:
    """Of the phases these tasks are in."""
    wanted = list(task_ids)
    return tuple(phase.title for phase in phases_of(dag_id, wanted) if any(phase.holds(task_id) for task_id in wanted))


def _words(task_id: str) -> str:
    return task_id.replace("_", " ").replace(".", ": ").capitalize()
