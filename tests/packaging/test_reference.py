"""The reference says what the code says, everything is proven, and it says how: by a fault, or by made-up facts."""

from pathlib import Path

import pytest

from greenplum_expansion.planning.decisions import RollbackAction
from greenplum_expansion.preparation.parts import parts
from tools import reference

ROOT = Path(__file__).resolve().parents[2]
ROLLBACK = [f"rollback:{outcome}" for outcome in (*map(str, RollbackAction), "refused", "cluster down")]


@pytest.mark.parametrize("name", list(reference.pages()))
def test_a_page_is_as_the_code_would_write_it(name):
    assert (reference.PAGES / name).read_text() == reference.pages()[name], "run `make docs`"


@pytest.mark.parametrize("check", [check.identifier for check in reference.all_checks()])
def test_each_check_is_proven(check):
    assert reference.proving_tests(ROOT / "tests").get(check)


@pytest.mark.parametrize("part", [part.identifier for part in parts()])
def test_each_part_of_the_preparation_is_proven_on_a_host_that_needs_it(part):
    assert any(map(reference.injects_the_fault, reference.proving_tests(ROOT / "tests").get(part, ())))


@pytest.mark.parametrize("outcome", ROLLBACK)
def test_each_outcome_of_the_rollback_is_proven_on_a_cluster_that_needs_it(outcome):
    assert any(map(reference.injects_the_fault, reference.proving_tests(ROOT / "tests").get(outcome, ())))


def test_nothing_is_said_to_be_proven_that_does_not_exist():
    known = {check.identifier for check in reference.all_checks()} | {part.identifier for part in parts()}
    assert set(reference.proving_tests(ROOT / "tests")) <= known | set(ROLLBACK)


def test_a_fault_is_said_to_be_injected_only_where_a_cluster_has_it():
    proofs = {"x": ["tests/faults/test_a.py::test_a", "tests/unit/test_b.py::test_b"], "y": ["tests/unit/c.py::test_c"]}
    assert reference._proof("x", proofs) == (
        "Proved with the fault injected: `tests/faults/test_a.py::test_a`. "
        "Proved by facts made up: `tests/unit/test_b.py::test_b`."
    )
    assert reference._proof("y", proofs) == "Proved by facts made up: `tests/unit/c.py::test_c`."
    assert reference._proof("z", proofs) == "Not proved by a test yet."
