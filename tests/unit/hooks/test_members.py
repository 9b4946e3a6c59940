"""One script on many hosts, with an ssh that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from greenplum_expansion.hooks.members import run_on_members, unreached
from greenplum_expansion.hooks.remote import Script
from tests.unit.hooks.local_hosts import local_hook


@pytest.fixture
def hook(tmp_path: Path) -> Any:
    return local_hook(tmp_path)


def test_each_host_runs_its_own_script_and_the_coordinator_needs_no_ssh(hook):
    scripts = {name: Script(f"echo {name} on $HOST; echo 'ä' >&2") for name in ("mdw", "sdw1", "noisy")}
    found = run_on_members(hook, scripts)
    assert {name: result.stdout for name, result in found.items()} == {
        "mdw": "mdw on mdw\n",
        "sdw1": "sdw1 on sdw1\n",
        "noisy": "noisy on noisy\n",
    }
    assert all(result.stderr == "ä\n" for result in found.values())


def test_a_host_that_cannot_be_reached_does_not_keep_the_others_from_answering(hook):
    found = run_on_members(hook, {name: Script("echo here; exit 3") for name in ("down", "sdw1")})
    assert (found["sdw1"].exit_code, found["sdw1"].stdout) == (3, "here\n")
    assert unreached(found, ["down", "sdw1", "lost"]) == {
        "down": "ssh: connect to host down port 22: Connection refused",
        "sdw1": "exit code 3",
        "lost": "no answer",
    }


def test_many_hosts_are_all_asked(hook):
    found = run_on_members(hook, {f"sdw{number}": Script("cat; echo $HOST") for number in range(30)})
    assert {result.stdout for result in found.values()} == {f"sdw{number}\n" for number in range(30)}


def test_a_script_that_does_not_end_is_ended(hook):
    found = run_on_members(hook, {"sdw1": Script("exec sleep 60"), "sdw2": Script("echo well")}, timeout=1)
    assert found["sdw1"].exit_code == 124
    assert found["sdw2"].stdout == "well\n"


def test_a_name_is_no_code(hook, tmp_path):
    evil = f"$(touch {tmp_path}/executed) 'x"
    found = run_on_members(hook, {evil: Script("echo $HOST")})
    assert found[evil].stdout == f"{evil}\n"
    assert not (tmp_path / "executed").exists()
