"""Who may have the cluster, and that what is half done stays with the expansion that began it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.hooks.claim import Claim, ClusterClaim

IDLE = ExpansionState(Phase.IDLE, "no status file and no schema gpexpand", "start an expansion")
STOPPED = ExpansionState(Phase.REDISTRIBUTION_STOPPED, "3 tables are left", "clear task redistribute.move_tables")
FIRST = Claim("first-1", "greenplum_expand", "first", "http://here:8080")
SECOND = Claim("second-2", "greenplum_expand", "second", "http://here:8080")


class _Kept(ClusterClaim):
    """A claim kept in memory instead of on a coordinator."""

    def __init__(self, held: Claim | None) -> None:
        self.path = "/claim.json"
        self.text = json.dumps(asdict(held)) if held else ""

    def _read_text(self) -> str:
        return self.text

    def _replace(self, old: str, new: Claim) -> bool:
        assert old == self.text
        self.text = json.dumps(asdict(new))
        return True


def _over(_: Claim) -> bool:
    return False


@pytest.mark.parametrize("held", [None, replace(FIRST, released=True), FIRST])
def test_an_idle_cluster_is_taken_if_nobody_is_at_work_on_it(held: Claim | None) -> None:
    claim = _Kept(held)

    assert claim.take(SECOND, _over, IDLE)
    assert claim.read() == SECOND


def test_a_claim_of_a_run_that_goes_on_is_refused_with_its_name() -> None:
    with pytest.raises(ActionRefused, match="run first of greenplum_expand has claimed the cluster"):
        _Kept(FIRST).take(SECOND, lambda _: True, IDLE)


def test_a_half_done_expansion_keeps_its_claim_so_that_its_own_tasks_can_finish_it() -> None:
    claim = _Kept(FIRST)

    with pytest.raises(ActionRefused, match=r"run first .* has left the cluster .*in that run clear task"):
        claim.take(SECOND, _over, STOPPED)
    assert claim.read() == FIRST
    assert claim.has_other(SECOND.expansion_id)
    claim.require(FIRST.expansion_id)


@pytest.mark.parametrize("held", [None, replace(FIRST, released=True)])
def test_what_somebody_began_by_hand_is_claimed_by_nobody(held: Claim | None) -> None:
    claim = _Kept(held)

    assert not claim.take(SECOND, _over, STOPPED)
    assert claim.read() == held
    assert not claim.has_other(SECOND.expansion_id)


def test_the_own_claim_is_taken_again_in_any_state() -> None:
    assert _Kept(FIRST).take(FIRST, _over, STOPPED)
    assert _Kept(replace(FIRST, released=True)).take(FIRST, _over, STOPPED)
