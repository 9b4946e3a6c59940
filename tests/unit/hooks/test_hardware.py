"""The measuring job as a script: with gpcheckperf and ssh played by others, it must end and tidy up in every case."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from greenplum_expansion.hooks.hardware import measuring_script, read_room
from greenplum_expansion.hooks.remote import RemoteHost
from greenplum_expansion.planning.measured import Measured
from greenplum_expansion.planning.trials import Group, Trial


def trial(directory: Path, tests: str = "ds", patience: int = 60) -> Trial:
    return Trial(Group.NEW, tests, ("sdw-3", "sdw4"), (str(directory),), 1 << 26 if "d" in tests else 0, 5, patience)


class Stage:
    """A PATH on which ssh runs the command here, and gpcheckperf is what a test says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.data.mkdir()
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.tool("ssh", f'while [ "$1" != -- ]; do shift; done; echo "$2" >> {directory}/swept; exec bash -c "$3"')

    def tool(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def start(self, *trials: Trial) -> subprocess.Popen[str]:
        script = measuring_script(trials, [f"{self.directory}/hosts{number}" for number in range(len(trials))])
        return subprocess.Popen(
            ["bash", "-c", script.text],
            env={**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *trials: Trial) -> tuple[int, Measured]:
        process = self.start(*trials)
        said, _ = process.communicate(timeout=60)
        return process.returncode, Measured.from_log(said)

    @property
    def swept(self) -> list[str]:
        path = self.directory / "swept"
        return sorted(path.read_text().split()) if path.exists() else []


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_room_is_looked_for_in_the_directory_or_above_it_on_the_same_filesystem(
    shared_host: RemoteHost, tmp_path: Path
) -> None:
    (tmp_path / "primary").mkdir()

    room = read_room(shared_host, [f"{tmp_path}/primary", f"{tmp_path}/to/be/made", "/dev/shm/none"])

    found = [place.directory for place in room.places]
    assert found[:2] == [f"{tmp_path}/primary", str(tmp_path)]
    assert len(set(found)) == len(found)
    assert "/" not in found
    # Above a mount point lies another disk.
    assert "/dev/shm" in found
    assert "/dev" not in found
    assert room.memory_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < room.places[0].free_bytes < os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize


def test_every_trial_gets_its_own_command_and_nothing_is_swept_when_all_went_well(stage: Stage) -> None:
    stage.tool("gpcheckperf", f'echo "$*" >> {stage.directory}/called; echo "    stream bandwidth (MB/s): 5.0 [sdw-3]"')

    code, measured = stage.run(trial(stage.data), trial(stage.data, "N"))

    assert code == 0
    assert (stage.directory / "called").read_text().splitlines() == [
        f"-f {stage.directory}/hosts0 -r ds -D -d {stage.data} -S 65536KB",
        f"-f {stage.directory}/hosts1 -r N -D -d {stage.data} --duration 5s",
    ]
    assert [outcome.exit_code for outcome in measured.outcomes] == [0, 0]
    assert measured.outcomes[0].reading.memory == {"sdw-3": 5.0}
    assert stage.swept == []


def test_after_a_failure_the_next_trial_runs_and_every_host_is_swept(stage: Stage) -> None:
    stage.tool("gpcheckperf", '[ "$4" = N ] || { echo "[Error] no space" >&2; exit 1; }')

    code, measured = stage.run(trial(stage.data), trial(stage.data, "N"))

    assert code == 0
    assert [outcome.exit_code for outcome in measured.outcomes] == [1, 0]
    assert measured.outcomes[0].reading.complaints == ("[Error] no space",)
    assert stage.swept == ["sdw-3", "sdw4"]


def test_a_trial_that_takes_too_long_is_interrupted_like_by_hand(stage: Stage) -> None:
    stage.tool("gpcheckperf", "trap 'echo interrupted; exit 0' INT; while :; do sleep 0.05; done")

    _, measured = stage.run(trial(stage.data, patience=1))

    assert measured.outcomes[0].timed_out
    assert stage.swept == ["sdw-3", "sdw4"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_reaches_gpcheckperf_no_further_trial_begins_and_all_is_swept(stage: Stage, name: str) -> None:
    marks = stage.directory / "marks"
    stage.tool(
        "gpcheckperf", f"trap 'echo torn down >> {marks}; exit 0' INT; echo up >> {marks}; while :; do sleep 0.05; done"
    )
    process = stage.start(trial(stage.data), trial(stage.data, "N"))
    wait_until(marks.exists)

    os.killpg(process.pid, getattr(signal, name))
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert marks.read_text().split("\n") == ["up", "torn down", ""]
    assert [outcome.exit_code for outcome in Measured.from_log(said).outcomes] == [None]
    assert stage.swept == ["sdw-3", "sdw4"]


def test_what_gpcheckperf_left_running_is_ended_and_its_directory_removed(stage: Stage) -> None:
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    place = stage.data / f"gpcheckperf_{user}"
    place.mkdir()
    (place / "ddfile").write_text("zeros")
    (stage.data / "gpcheckperf_other").mkdir()
    left = subprocess.Popen(["bash", "-c", 'exec -a "$0" sleep 600', f"{place}/multidd"])
    stage.tool("gpcheckperf", "exit 1")
    try:
        _, measured = stage.run(trial(stage.data))

        assert left.wait(timeout=30) == -signal.SIGTERM
        assert [path.name for path in stage.data.iterdir()] == ["gpcheckperf_other"]
        assert measured.left_on == ()
    finally:
        left.kill()


def test_a_host_that_cannot_be_swept_is_told(stage: Stage) -> None:
    stage.tool("gpcheckperf", "exit 1")
    stage.tool("ssh", "exit 255")

    assert sorted(stage.run(trial(stage.data))[1].left_on) == ["sdw-3", "sdw4"]


def wait_until(condition: Callable[[], bool], patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
