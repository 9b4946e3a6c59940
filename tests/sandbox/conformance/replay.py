"""Replays the scenarios: ``python -m tests.sandbox.conformance.replay [--scenario N] [--state-dir D] [name …]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .compare import Outcome, differences
from .practice import Practice
from .recordings import Recording, load
from .scenarios import SCENARIOS
from .steps import DATA, Prepare, Replay, Scenario

SIZE = 20
"""Megabytes in the practice database: the smaller, the sooner tables have moved."""


@dataclass(frozen=True)
class Verdict:
    """One replayed recording; no differences means that it agrees."""

    name: str
    differences: list[str]
    seconds: float

    @property
    def agrees(self) -> bool:
        """Nothing differed."""
        return not self.differences


def translated(recording: Recording, words: dict[str, str]) -> Recording:
    """A recording in the practice cluster's words."""

    def translate(text: str) -> str:
        for word in sorted(words, key=len, reverse=True):
            text = text.replace(word, words[word])
        return text

    return Recording(
        recording.name, recording.host, translate(recording.command), translate(recording.stdout),
        translate(recording.stderr), recording.exit_code,
    )  # fmt: skip


def replay(practice: Practice, step: Replay) -> list[Verdict]:
    """Run a recorded command, and what was recorded beside it, and compare."""
    recording = translated(load(step.name), step.translate)
    for name, value in step.faults.items():
        practice.set_fault(name, value)
    begun = time.monotonic()
    others: list[Verdict] = []
    try:
        outcome = _run(practice, step, recording, others)
        found = differences(recording, outcome, step.select, stderr=step.stderr)
    except (subprocess.TimeoutExpired, RuntimeError) as problem:
        found = [f"could not be replayed: {problem}"]
    finally:
        if step.faults:
            practice.clear_faults()
    return [Verdict(recording.name, found, time.monotonic() - begun), *others]


def _run(practice: Practice, step: Replay, recording: Recording, others: list[Verdict]) -> Outcome:
    command = step.command or recording.command
    if step.beside:
        running = practice.start(command, recording.host)
        practice.run(f"until kill -0 $(head -1 {DATA}/gpexpand.pid) 2>/dev/null; do sleep 0.05; done")
        for other in step.beside:
            others += replay(practice, other)
        return practice.finish(running)
    if step.interrupt is None:
        return practice.run(command, recording.host, answers=step.answers, tty=step.tty)
    waiting = practice.start(step.interrupt.command)
    running = practice.start(command, recording.host)
    outcome = practice.finish(running)
    practice.finish(waiting)
    return outcome


def prepare(practice: Practice, step: Prepare) -> None:
    """Do what no recording shows.

    :raises RuntimeError: it failed, so the following replays would compare something else
    """
    if step.act is not None:
        step.act(practice)
        return
    outcome = practice.run(step.command, step.host, user=step.user)
    if outcome.exit_code != 0:
        raise RuntimeError(
            f"{step.why}: {step.command} on {step.host} ended with {outcome.exit_code}: {outcome.stderr}"
        )


def run_scenario(practice: Practice, scenario: Scenario, tell: Callable[[Verdict], None]) -> list[Verdict]:
    """All steps in order; recordings behind a preparation that failed count as not agreeing."""
    verdicts: list[Verdict] = []
    broken = ""
    for step in scenario.steps:
        if isinstance(step, Prepare):
            if not broken:
                try:
                    prepare(practice, step)
                except (RuntimeError, subprocess.TimeoutExpired) as problem:
                    broken = str(problem)
            continue
        if broken:
            found = [Verdict(load(s.name).name, [f"not reached: {broken}"], 0.0) for s in (step, *step.beside)]
        else:
            found = replay(practice, step)
        verdicts += found
        for verdict in found:
            tell(verdict)
    return verdicts


def run_all(practice: Practice, scenarios: Iterable[Scenario], tell: Callable[[Verdict], None]) -> list[Verdict]:
    """Every scenario on a fresh cluster."""
    verdicts: list[Verdict] = []
    for number, scenario in enumerate(scenarios):
        if number:
            practice.reset()
        verdicts += run_scenario(practice, scenario, tell)
    return verdicts


def summary(verdicts: list[Verdict]) -> str:
    """``N of M recordings agree``, and which do not."""
    agreeing = sum(verdict.agrees for verdict in verdicts)
    lines = [f"{agreeing} of {len(verdicts)} recordings agree"]
    for verdict in verdicts:
        if not verdict.agrees:
            lines.append(f"  not {verdict.name}: {verdict.differences[0]}")
    return "\n".join(lines)


def main() -> int:
    """Replay and print; exit code 0 whatever agrees: judging is the test's business."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, help="an existing sandbox to use, left as it then is")
    parser.add_argument("--scenario", type=int, action="append", help=f"number of a scenario, 1 to {len(SCENARIOS)}")
    parser.add_argument("--reset", action="store_true", help="reset the existing sandbox first")
    parser.add_argument("names", nargs="*", help="only these recordings (what prepares them is done all the same)")
    options = parser.parse_args()
    chosen = [SCENARIOS[number - 1] for number in options.scenario] if options.scenario else list(SCENARIOS)
    if options.names:
        chosen = [_only(scenario, options.names) for scenario in chosen]

    def tell(verdict: Verdict) -> None:
        print(f"{'agrees ' if verdict.agrees else 'DIFFERS'} {verdict.seconds:5.1f} s  {verdict.name}", flush=True)
        for line in verdict.differences[:40]:
            print(f"      {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="sbx-") as temporary:
        practice = Practice(options.state_dir or Path(temporary) / "s")
        practice.up(SIZE)
        if options.reset:
            practice.reset()
        try:
            verdicts = run_all(practice, chosen, tell)
        finally:
            if options.state_dir is None:
                practice.down()
    print(summary(verdicts))
    return 0


def _only(scenario: Scenario, names: list[str]) -> Scenario:
    steps = tuple(s for s in scenario.steps if isinstance(s, Prepare) or any(s.name.startswith(n) for n in names))
    return Scenario(scenario.name, steps)


if __name__ == "__main__":
    sys.exit(main())
