"""The note that keeps add_segments from beginning under a rollback: when it stays, and when it goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory, taking_back


class Coordinator:
    """As much of a host as the note needs."""

    def __init__(self, *files: str) -> None:
        self.files = set(files)

    def exists(self, path: str) -> bool:
        return path in self.files

    def write_text(self, path: str, _text: str) -> None:
        self.files.add(path)

    def run(self, argv: list[str]) -> None:
        assert argv[:3] == ["rm", "-f", "--"]
        self.files.discard(argv[3])


def directory(coordinator: Coordinator, *, job_runs: bool = False) -> ExpansionDirectory:
    made: Any = SimpleNamespace(
        hook=SimpleNamespace(coordinator=lambda: coordinator),
        file=lambda name: f"/x/{name}",
        ensure=lambda: None,
        job_runs=lambda _name: job_runs,
        expansion_id="x",
    )
    return cast(ExpansionDirectory, made)


NOTE = "/x/taking_back"


def test_it_lies_there_while_the_block_runs_and_no_longer() -> None:
    there = Coordinator()
    with taking_back(directory(there), "run"):
        assert there.files == {NOTE}
    assert there.files == set()


def test_a_gpexpand_that_has_just_begun_is_seen() -> None:
    there = Coordinator()
    with (
        pytest.raises(ActionRefused, match="add_segments has begun meanwhile"),
        taking_back(directory(there, job_runs=True), "run"),
    ):
        raise AssertionError("the block must not run")
    assert there.files == set()


@pytest.mark.parametrize(("left", "stays"), [((), set()), ((NOTE,), {NOTE})])
def test_who_refused_has_begun_nothing_but_what_a_killed_one_began_is_not_over(
    left: tuple[str, ...], stays: set[str]
) -> None:
    there = Coordinator(*left)
    with pytest.raises(ActionRefused), taking_back(directory(there), "run"):
        raise ActionRefused("a", "b", "c")
    assert there.files == stays


def test_who_failed_halfway_leaves_it() -> None:
    there = Coordinator()
    with pytest.raises(StepFailed), taking_back(directory(there), "run"):
        raise StepFailed("a", "b", "c")
    assert there.files == {NOTE}
