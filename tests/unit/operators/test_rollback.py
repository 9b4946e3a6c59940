"""A rollback gives the cluster free only when no expansion has it any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from greenplum_expansion.hooks.claim import Claim
from greenplum_expansion.operators.rollback import VerifyRollbackOperator
from greenplum_expansion.operators.run import this_airflow


class _Claim:
    def __init__(self, held: Claim) -> None:
        self.held = held
        self.released: list[str] = []

    def read(self) -> Claim:
        return self.held

    def release(self, expansion_id: str) -> None:
        self.released.append(expansion_id)


def _verify(state: str, airflow: str) -> tuple[str, list[str]]:
    claim = _Claim(Claim("x-1", "greenplum_expand", "x", airflow))
    ti = SimpleNamespace(get_dagrun_state=lambda dag_id, run_id: state)
    context: dict[str, Any] = {"ti": ti}
    task = VerifyRollbackOperator(task_id="verify", forward_task="finish_forward")
    return task._release_claim(context, SimpleNamespace(claim=claim), "x-1"), claim.released  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["failed", "success"])
def test_the_claim_of_a_run_that_is_over_is_released(state: str) -> None:
    assert _verify(state, this_airflow()) == ("", ["x-1"])


@pytest.mark.parametrize("state", ["running", "queued"])
def test_an_expansion_that_waits_for_its_approval_keeps_the_cluster(state: str) -> None:
    said, released = _verify(state, this_airflow())

    assert "goes on and keeps the cluster" in said
    assert released == []


def test_another_airflow_keeps_its_claim() -> None:
    said, released = _verify("failed", "http://elsewhere:8080")

    assert "the Airflow at http://elsewhere:8080 keeps its claim" in said
    assert released == []
