"""The reference says what the code says, and everything in it is proven with the fault injected."""

from pathlib import Path

import pytest

from greenplum_expansion.preparation.parts import parts
from tools import reference

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", list(reference.pages()))
def test_a_page_is_as_the_code_would_write_it(name):
    assert (reference.PAGES / name).read_text() == reference.pages()[name], "run `make docs`"


@pytest.mark.parametrize("check", [check.identifier for check in reference.all_checks()])
def test_each_check_is_proven_with_the_fault_injected(check):
    assert reference.proving_tests(ROOT / "tests").get(check)


@pytest.mark.parametrize("part", [part.identifier for part in parts()])
def test_each_part_of_the_preparation_is_proven_on_a_host_that_needs_it(part):
    assert reference.proving_tests(ROOT / "tests").get(part)


def test_nothing_is_said_to_be_proven_that_does_not_exist():
    known = {check.identifier for check in reference.all_checks()} | {part.identifier for part in parts()}
    named = {name for name in reference.proving_tests(ROOT / "tests") if not name.startswith("rollback:")}
    assert named <= known
