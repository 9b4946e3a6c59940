"""Programs are ended exactly: the whole family, and nobody else."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import processes
from demo.processes import Process

# A leader with a child, and a grandchild in a session of its own, each noting its pid in a file.
FAMILY = """
import os, pathlib, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
def note(name):
    (folder / (name + ".new")).write_text(str(os.getpid())); (folder / (name + ".new")).rename(folder / name)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid(); note("grandchild"); time.sleep(600)
    note("child"); time.sleep(600)
note("leader"); time.sleep(600)
"""


def wait_for(path: Path) -> int:
    while not path.exists():
        time.sleep(0.01)
    return int(path.read_text())


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[Process, list[int]]]:
    leader = processes.start(
        [sys.executable, "-c", FAMILY, str(tmp_path)], log=tmp_path / "log", cwd=tmp_path, env=os.environ
    )
    pids = [wait_for(tmp_path / name) for name in ("leader", "child", "grandchild")]
    yield leader, pids
    processes.end([leader], patience=5)


def test_all_members_are_found_those_in_other_sessions_too(family: tuple[Process, list[int]]) -> None:
    leader, pids = family
    assert sorted(member.pid for member in processes.family([leader])) == sorted(pids)


def test_end_ends_the_family_and_leaves_a_program_of_the_same_name_alone(
    family: tuple[Process, list[int]], tmp_path: Path
) -> None:
    leader, pids = family
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as stranger:
        processes.end([leader], patience=5)
        assert processes.family([leader]) == []
        assert not leader.alive
        for pid in pids:
            assert not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()
        assert stranger.poll() is None
        stranger.kill()


def test_member_that_outlives_its_leader_is_ended(family: tuple[Process, list[int]]) -> None:
    leader, (leader_pid, child, _) = family
    os.kill(leader_pid, 9)
    os.waitpid(leader_pid, 0)
    assert child in [member.pid for member in processes.family([leader])]
    processes.end([leader], patience=5)
    assert child not in [member.pid for member in processes.family([leader])]


def test_pid_given_to_somebody_else_is_not_signalled() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as stranger:
        remembered = Process(stranger.pid, started=1)  # the pid of a process that began at another time
        assert not remembered.alive
        processes.end([remembered], patience=1)
        assert stranger.poll() is None
        stranger.kill()


def test_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "pathlib.Path('new').write_text('1'); pathlib.Path('new').rename('ready'); time.sleep(600)"
    )
    stubborn = processes.start([sys.executable, "-c", code], log=tmp_path / "log", cwd=tmp_path, env=os.environ)
    wait_for(tmp_path / "ready")
    processes.end([stubborn], patience=0.2)
    assert not stubborn.alive
