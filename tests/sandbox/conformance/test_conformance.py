"""The conformance figure: how many recorded commands of a real Greenplum 6.24.3 the practice cluster answers alike.

`expected.txt` lists the recordings that agree. One that no longer does fails here; one that newly does must be added,
so that it is kept. Needs what a sandbox needs, and minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.figures import FIGURE

from .practice import Practice
from .replay import Verdict, run_all, summary
from .scenarios import SCENARIOS

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

EXPECTED = (Path(__file__).parent / "expected.txt").read_text(encoding="utf-8").split()
LEAST = 60
STAGES = {
    "interview": "20b_interview_stdin_pipe",
    "preparation": "30_gpexpand_i_plain",
    "redistribution with an end": "40_gpexpand_d_5s",
    "rollback": "51f_gpexpand_r_after_interrupt",
    "clean-up": "45_gpexpand_c_after_complete_tty",
    "preparation interrupted by SIGINT": "51_gpexpand_i_interrupted_SIGINT_building",
    "preparation ended by SIGKILL": "52_gpexpand_i_SIGKILL_during_segment_start",
    "redistribution interrupted by SIGINT": "55_gpexpand_redistribution_SIGINT",
    "redistribution ended by SIGKILL": "56_gpexpand_redistribution_SIGKILL",
    "resumed": "57_gpexpand_resume_after_SIGKILL",
    "failing before the point of no return": "61_gpexpand_i_datadir_not_empty",
    "failing behind it": "70_gpexpand_i_fails_after_catalog_lock_released",
}
"""What must be among the recordings that agree, whatever else changes."""


@pytest.fixture(scope="module")
def verdicts(practice: Practice) -> dict[str, Verdict]:
    """Every scenario once, from a fresh cluster."""
    return {verdict.name: verdict for verdict in run_all(practice, SCENARIOS, lambda _: None)}


def test_the_figure_is_printed_and_at_least_sixty_recordings_agree(
    verdicts: dict[str, Verdict], record_property: Callable[[str, object], None]
) -> None:
    record_property(FIGURE, summary(list(verdicts.values())))
    assert sum(verdict.agrees for verdict in verdicts.values()) >= LEAST


@pytest.mark.parametrize("name", EXPECTED)
def test_recording_still_agrees(name: str, verdicts: dict[str, Verdict]) -> None:
    assert verdicts[name].agrees, "\n".join(verdicts[name].differences)


def test_every_recording_that_agrees_is_expected_to(verdicts: dict[str, Verdict]) -> None:
    new = sorted(name for name, verdict in verdicts.items() if verdict.agrees and name not in EXPECTED)
    assert not new, f"add to expected.txt: {', '.join(new)}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_gpexpand_is_among_them(stage: str) -> None:
    assert STAGES[stage] in EXPECTED
