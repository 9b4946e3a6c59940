"""One expansion at a time: a claim on the cluster, kept on its coordinator where every Airflow can see it.

gpexpand's own pid file guards only its processes; between its phases, and during our checks, nothing would keep a
second run away. A claim is taken and changed under flock(1), so two runs triggered in the same second cannot both get
it.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import FileMissing, Script

_CHANGED_MEANWHILE = 75


@dataclass(frozen=True)
class Claim:
    """Who has the cluster.

    :param airflow: base URL of the Airflow the run belongs to; another one's runs cannot be looked at from here
    :param released: the expansion is over; the name is kept, so that tasks of an older one are still told apart
    """

    expansion_id: str
    dag_id: str
    run_id: str
    airflow: str
    released: bool = False


class ClusterClaim:
    """The claim on the cluster of one connection."""

    def __init__(self, hook: GreenplumHook) -> None:
        self.hook = hook
        self.path = posixpath.join(hook.environment().expansions_directory, "claim.json")

    def read(self) -> Claim | None:
        """Who has, or had last, the cluster; None if nobody ever had."""
        text = self._read_text()
        return Claim(**json.loads(text)) if text else None

    def take(self, mine: Claim, is_active: Callable[[Claim], bool], state: ExpansionState) -> bool:
        """Take the cluster for one expansion. Taking it again for the same one is nothing.

        Only an idle cluster can be taken: what is half done belongs to the expansion that began it, whose tasks must
        stay able to finish it.

        :param is_active: whether the run of another claim of this Airflow is still going on
        :param state: of the cluster
        :return: False if it was not taken since it is not idle, and no claim says whose work that is
        :raises ActionRefused: another expansion has it
        """
        for _ in range(5):
            text = self._read_text()
            held = Claim(**json.loads(text)) if text else None
            if held == mine:
                return True
            if held is None or held.expansion_id != mine.expansion_id:
                if held and not held.released:
                    self._refuse_if_held(held, mine, is_active, state)
                if state.phase is not Phase.IDLE:
                    return False
            if self._replace(text, mine):
                return True
        raise StepFailed(
            "Claim on the cluster", f"{self.path} keeps changing", "see who writes it, then clear this task"
        )

    def require(self, expansion_id: str) -> None:
        """Refuse to act for an expansion that is no longer the cluster's newest.

        :raises ActionRefused: a later expansion has taken over, or this one never claimed the cluster
        """
        held = self.read()
        if held is None or held.expansion_id != expansion_id:
            other = f"expansion {held.expansion_id} (run {held.run_id})" if held else "no expansion"
            raise ActionRefused(
                f"Expansion {expansion_id}",
                f"the cluster is claimed by {other}, not by this one",
                "act in the run of the newest expansion; an older one must not touch the cluster any more",
            )

    def release(self, expansion_id: str) -> None:
        """Let the next expansion have the cluster; nothing if it is another's already."""
        text = self._read_text()
        held = Claim(**json.loads(text)) if text else None
        if held and held.expansion_id == expansion_id and not held.released:
            self._replace(text, Claim(**{**asdict(held), "released": True}))

    def has_other(self, expansion_id: str) -> bool:
        """Whether another expansion has the cluster."""
        held = self.read()
        return held is not None and held.expansion_id != expansion_id and not held.released

    def _refuse_if_held(
        self, held: Claim, mine: Claim, is_active: Callable[[Claim], bool], state: ExpansionState
    ) -> None:
        if held.airflow != mine.airflow:
            raise ActionRefused(
                "Expansion already under way",
                f"the Airflow at {held.airflow} has claimed the cluster for run {held.run_id}",
                f"finish it there; if that Airflow is gone for good, remove {self.path} on the coordinator",
            )
        if is_active(held):
            raise ActionRefused(
                "Expansion already under way",
                f"run {held.run_id} of {held.dag_id} has claimed the cluster",
                "wait until it has ended, or mark it failed, then trigger again",
            )
        if state.phase is not Phase.IDLE:
            raise ActionRefused(
                "Expansion already under way",
                f"run {held.run_id} of {held.dag_id} has left the cluster '{state.phase}': {state.because}",
                f"in that run {state.next_action}; trigger a new one when it is over",
            )

    def _read_text(self) -> str:
        try:
            return self.hook.coordinator().read_text(self.path)
        except FileMissing:
            return ""

    def _replace(self, old: str, new: Claim) -> bool:
        """Write `new` unless the file is no longer `old`; False then."""
        self.hook.coordinator().make_directory(posixpath.dirname(self.path))
        path, text = shlex.quote(self.path), json.dumps(asdict(new), indent=2) + "\n"
        script = Script(
            f"""
exec 9>{path}.lock || exit 1
flock -w 30 9 || exit 1
[ "$(cat -- {path} 2>/dev/null)" = {shlex.quote(old.rstrip(chr(10)))} ] || exit {_CHANGED_MEANWHILE}
printf %s {shlex.quote(text)} > {path}.new && mv -f -- {path}.new {path}
""",
            "claim the cluster",
        )
        result = self.hook.coordinator().run(script, check=False)
        if result.exit_code not in (0, _CHANGED_MEANWHILE):
            raise self.hook.coordinator().failure("Claim on the cluster", result)
        return result.exit_code == 0
