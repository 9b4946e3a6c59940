"""Sharing the suite out: the longest file first, but nothing long behind a test that takes minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sharing import LONG, SECONDS, TOGETHER, file_of, next_file, seconds_of

ROOT = Path(__file__).resolve().parents[3]
WAITING = {"a": 5.0, "long": 300.0, "short": 1.0}


@pytest.mark.parametrize(("behind", "chosen"), [(0.0, "long"), (LONG - 1, "long"), (LONG, "short"), (400.0, "short")])
def test_a_light_file_waits_behind_a_long_test_and_the_longest_behind_others(behind: float, chosen: str) -> None:
    assert next_file(WAITING, behind) == chosen


def test_files_that_are_said_to_take_long_exist() -> None:
    assert [file for file in SECONDS if not (ROOT / file).exists()] == []


def test_files_that_look_at_one_server_stay_together() -> None:
    (folder,) = TOGETHER
    files = sorted((ROOT / folder).glob("test_*.py"))
    assert len(files) > 1
    assert {file_of(f"{file.relative_to(ROOT)}::test_x[a/b]") for file in files} == {folder}
    assert folder in SECONDS
    assert file_of("tests/pages/test_access.py::test_x") == "tests/pages/test_access.py"


def test_a_file_nobody_has_measured_counts_by_its_folder() -> None:
    assert seconds_of("tests/unit/x/test_y.py") < seconds_of("tests/faults/test_new.py") < max(SECONDS.values())
