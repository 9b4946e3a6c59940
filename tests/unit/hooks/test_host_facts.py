"""The script that looks at a host, run on this machine, and what is read from its answers."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from greenplum_expansion.checks.new_hosts import DirectoryState
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks import door
from greenplum_expansion.hooks.environment import CoordinatorEnvironment
from greenplum_expansion.hooks.host_facts import (
    look_script,
    names_to_ask,
    parse_facts,
    parse_places,
    places_script,
)
from greenplum_expansion.hooks.remote import Script
from tests.support import ports


@pytest.fixture
def free_port() -> int:
    return ports.free_port()


def run(script: Script) -> str:
    return subprocess.run(["bash"], input=script.text, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def environment(tmp_path: Path) -> CoordinatorEnvironment:
    """An installation with a server, an extension and a Python that says which it is."""
    gphome = tmp_path / "green plum"
    for directory in ("bin", "lib/postgresql", "share/postgresql/extension"):
        (gphome / directory).mkdir(parents=True)
    programs = {
        "postgres": "[ \"$1\" = --gp-version ] && echo 'postgres (Greenplum Database) 6.24.3'",
        "gpstate": "",
        "python": "[ \"$1\" = --version ] && echo Python 2.7.18 || printf 'module\\tpsutil\\n'",
    }
    for name, text in programs.items():
        (gphome / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (gphome / "bin" / name).chmod(0o755)
    (gphome / "bin/gpstate").write_text("#!/usr/bin/env python\n")
    (gphome / "lib/postgresql/postgis-2.5.so").touch()
    (gphome / "share/postgresql/extension/citext.control").touch()
    (gphome / "greenplum_path.sh").write_text(f"export PATH='{gphome}/bin':$PATH\n")
    return CoordinatorEnvironment(
        gphome=str(gphome),
        coordinator_data_directory="/data/master/gpseg-1",
        port=5432,
        user=getpass.getuser(),
        home=str(tmp_path),
        hostname="mdw",
        path_script=str(gphome / "greenplum_path.sh"),
    )


def test_a_host_answers_every_question(environment, tmp_path):
    facts = parse_facts("sdw3", run(look_script(environment, directories=[f"{tmp_path}/a/b"], ask_names=["localhost"])))
    assert facts.hostname == "sdw3"
    assert facts.seen_by == environment.user
    assert facts.account
    assert (facts.account.uid, facts.account.gid) == (os.getuid(), os.getgid())
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert "127.0.0.1" in facts.addresses
    assert facts.answers["localhost"]
    assert facts.system.architecture == os.uname().machine
    assert facts.system.cpus == os.cpu_count()
    assert f"{facts.system.memory_kb} kB" in Path("/proc/meminfo").read_text()
    assert facts.system.family
    assert facts.system.port_range[0] < facts.system.port_range[1]
    assert facts.software.version == "postgres (Greenplum Database) 6.24.3"
    assert facts.software.extensions == ("lib/postgresql/postgis-2.5.so", "share/postgresql/extension/citext.control")
    assert (facts.software.python, facts.software.modules) == ("Python 2.7.18", ("psutil",))
    assert {"grep", "awk"} <= set(facts.software.tools)


def test_a_directory_that_is_not_there_lies_on_the_filesystem_of_its_ancestor(environment, tmp_path):
    facts = parse_facts("sdw3", run(look_script(environment, directories=[f"{tmp_path}/a/b"])))
    (found,) = facts.filesystems
    disk = os.statvfs(tmp_path)
    assert found.path == f"{tmp_path}/a/b"
    assert found.size_kb == pytest.approx(disk.f_blocks * disk.f_frsize / 1024, rel=0.01)
    assert found.kind
    assert "rw" in found.options


def test_a_host_without_greenplum_says_nothing_of_it(environment, tmp_path):
    bare = CoordinatorEnvironment(**{**environment.as_dict(), "gphome": str(tmp_path / "nothing")})
    software = parse_facts("sdw3", run(look_script(bare))).software
    assert (software.version, software.python, software.extensions) == (None, None, ())
    assert software.tools


def test_a_user_that_does_not_exist(environment):
    other = CoordinatorEnvironment(**{**environment.as_dict(), "user": "no-such-user"})
    assert parse_facts("sdw3", run(look_script(other))).account is None


def test_nothing_in_a_name_or_path_is_executed(environment, tmp_path):
    witness = tmp_path / "executed"
    evil = f"$(touch {witness})`touch {witness}`';touch {witness};'"
    run(look_script(environment, directories=[f"/{evil}"], ask_names=[evil]))
    run(places_script([f"/{evil}"], []))
    assert not witness.exists()


def test_what_a_login_shell_prints_around_the_answers_does_no_harm():
    facts = parse_facts("sdw3", "Welcome!\nboot_id\tabc\n\tmemory\naccount\tnot three\nmounted\tshort\nfilesystem\tx\n")
    assert (facts.boot_id, facts.account, facts.filesystems) == ("abc", None, ())


def test_names_are_asked_for_and_addresses_are_not():
    row = {"dbid": 1, "content": -1, "role": "p", "preferred_role": "p", "mode": "n", "status": "u", "port": 5432}
    topology = Topology.from_rows(
        [{**row, "hostname": "mdw", "address": "10.0.0.10", "datadir": "/data/master/gpseg-1"}]
    )
    assert names_to_ask(topology, ["sdw3", "10.0.0.23", "fe80::1"]) == ["mdw", "sdw3"]


def test_places_in_every_state(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/precious").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    names = ["absent/deep", "empty", "full", "file", "link"]
    found = parse_places("sdw3", run(places_script([f"{tmp_path}/{name}" for name in names], [])), [])
    assert [found.directories[f"{tmp_path}/{name}"] for name in names] == [
        DirectoryState.ABSENT,
        DirectoryState.EMPTY,
        DirectoryState.NOT_EMPTY,
        DirectoryState.NOT_A_DIRECTORY,
        DirectoryState.NOT_A_DIRECTORY,
    ]


def test_a_port_somebody_listens_on(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        used, free = server.getsockname()[1], silent.getsockname()[1]
        found = parse_places("sdw3", run(places_script([], [used, free])), [used, free])
    assert (found.ports, found.ports_in_use) == ((used, free), (used,))


def test_a_listener_that_a_killed_test_of_the_network_left_is_ended(free_port):
    given = {"token": "greenplum-expansion-door-of-this-test", "tcp": [free_port], "chosen": "", "seconds": 60}
    subprocess.run([sys.executable, door.__file__, "open", json.dumps(given)], check=True, timeout=60)
    found = parse_places("sdw3", run(places_script([], [free_port])), [free_port])
    assert found.ports_in_use == ()


def test_a_listener_of_another_hosts_test_is_left_alone():
    given = {"token": "greenplum-expansion-door-of-another", "tcp": [], "chosen": "udp", "seconds": 60}
    said = subprocess.run(
        [sys.executable, door.__file__, "open", json.dumps(given)],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    ).stdout
    pid = int(said.splitlines()[-1].split()[1])
    run(places_script([], [1]))
    os.kill(pid, signal.SIGKILL)  # ProcessLookupError, were it gone


def test_a_host_without_hostname_1_still_knows_its_addresses(environment, tmp_path):
    (tmp_path / "hostname").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "hostname").chmod(0o755)
    script = look_script(environment)
    facts = parse_facts("sdw3", run(Script(f"PATH={tmp_path}:$PATH\n{script.text}")))
    assert "127.0.0.1" in facts.addresses
    assert set(facts.addresses) >= {a for a in parse_facts("sdw3", run(script)).addresses if "." in a}
