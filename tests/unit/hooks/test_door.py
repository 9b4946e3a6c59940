"""Doors are opened, knocked at and closed, by the very program that hosts get, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenplum_expansion.hooks import door
from tests.support import ports

PROGRAM = Path(door.__file__)


def run(mode: str, **given: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), mode, json.dumps(given)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


@pytest.fixture
def free_port() -> int:
    return ports.free_port()


@pytest.fixture
def opened(free_port: int) -> Iterator[dict[str, int]]:
    said = dict(line.split() for line in run("open", token="t", tcp=[free_port], chosen="udp", seconds=60))
    yield {word: int(number) for word, number in said.items()}
    os.kill(int(said["pid"]), signal.SIGKILL)


def test_an_open_door_answers_by_tcp_and_udp(opened):
    targets = [["127.0.0.1", "tcp", opened["tcp"]], ["127.0.0.1", "udp", opened["chosen"]]]
    assert run("knock", targets=targets, seconds=20) == ["ok", "ok"]
    assert run("knock", targets=targets[::-1], seconds=20) == ["ok", "ok"], "it goes on answering"


def test_a_port_that_the_kernel_chooses_may_be_one_of_tcp():
    said = dict(line.split() for line in run("open", token="t", tcp=[], chosen="tcp", seconds=60))
    try:
        assert run("knock", targets=[["127.0.0.1", "tcp", int(said["chosen"])]], seconds=20) == ["ok"]
    finally:
        os.kill(int(said["pid"]), signal.SIGKILL)


def test_a_closed_door_says_why(free_port):
    targets = [["127.0.0.1", "tcp", free_port], ["no-such-host.invalid", "tcp", free_port]]
    assert run("knock", targets=targets, seconds=20) == ["Connection refused", "name not known"]


def test_a_port_that_is_taken_is_not_opened(opened):
    said = run("open", token="t", tcp=[opened["tcp"]], chosen="", seconds=1)
    assert [line.split()[0] for line in said] == ["pid"]


def test_a_door_that_nobody_closes_closes_itself(free_port):
    pid = int(run("open", token="t", tcp=[free_port], chosen="", seconds=1)[-1].split()[1])
    while Path(f"/proc/{pid}/stat").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text():
        time.sleep(0.05)
    assert run("knock", targets=[["127.0.0.1", "tcp", free_port]], seconds=20) == ["Connection refused"]


def test_the_program_is_one_that_python_2_reads():
    PROGRAM.read_bytes().decode("ascii")
