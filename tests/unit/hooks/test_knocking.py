"""Every pair with a new host is tried, ports that were opened are closed again, whatever happens in between."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from greenplum_expansion.checks.network import Protocol
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks import knocking
from greenplum_expansion.hooks.knocking import Party, try_network
from tests.unit.hooks.local_hosts import LocalHost, local_hook


@pytest.fixture
def hook(tmp_path: Path) -> Any:
    return local_hook(tmp_path)


@pytest.fixture
def ports() -> list[int]:
    """Two on which nothing listens."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


@pytest.fixture
def doors_open(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Processes that this test has opened ports with, and that live still."""
    token = f"of-test-{uuid.uuid4()}"
    monkeypatch.setattr(knocking.secrets, "token_hex", lambda _: token)

    def find() -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                found.append(process.read_bytes().decode(errors="replace"))
        return [line for line in found if token in line]

    return find


def new(name: str, tmp_path: Path, *opens: int) -> Party:
    return Party(name, "127.0.0.1", LocalHost(name, tmp_path), opens=opens, is_new=True)


def test_old_and_new_hosts_knock_at_each_other_but_not_old_at_old(hook, tmp_path, ports, doors_open):
    with socket.create_server(("127.0.0.1", 0)) as server:
        served = server.getsockname()[1]
        parties = [
            Party("mdw", "127.0.0.1", is_open=(("127.0.0.1", served),)),
            Party("sdw1", "127.0.0.1"),
            new("sdw3", tmp_path, *ports),
        ]
        found = try_network(hook, parties, udp=True)
    assert found.untested == {}
    assert {knock.answer for knock in found.knocks} == {"ok"}
    tcp = {(k.source, k.target, k.port) for k in found.knocks if k.protocol is Protocol.TCP}
    assert tcp == {
        ("mdw", "sdw3", ports[0]),
        ("mdw", "sdw3", ports[1]),
        ("sdw1", "sdw3", ports[0]),
        ("sdw1", "sdw3", ports[1]),
        ("sdw3", "mdw", served),
    }
    udp = {(k.source, k.target) for k in found.knocks if k.protocol is Protocol.UDP}
    assert udp == {("mdw", "sdw3"), ("sdw1", "sdw3"), ("sdw3", "mdw"), ("sdw3", "sdw1")}
    assert doors_open() == []


def test_an_interconnect_by_tcp_is_tried_at_ports_that_the_kernel_chooses(hook, tmp_path, ports, doors_open):
    found = try_network(hook, [Party("mdw", "127.0.0.1"), new("sdw3", tmp_path, ports[0])], udp=False)
    assert {knock.answer for knock in found.knocks} == {"ok"}
    assert [(k.source, k.target, k.port) for k in found.knocks if k.protocol is Protocol.TCP] == [
        ("mdw", "sdw3", ports[0])
    ]
    chosen = [(k.source, k.target) for k in found.knocks if k.protocol is Protocol.CHOSEN_TCP]
    assert chosen == [("mdw", "sdw3"), ("sdw3", "mdw")]
    assert doors_open() == []


def test_hosts_that_cannot_take_part_are_named(hook, tmp_path, ports, doors_open):
    parties = [
        Party("down", "127.0.0.1"),
        Party("mdw", "127.0.0.1"),
        Party("sdw4", "127.0.0.1", _NoPython("sdw4", tmp_path), is_new=True),
        new("sdw3", tmp_path, ports[0]),
    ]
    found = try_network(hook, parties, udp=True)
    assert found.untested == {
        "down": "ssh: connect to host down port 22: Connection refused",
        "sdw4": "there is no Python",
    }
    assert {(k.source, k.target) for k in found.knocks} == {("mdw", "sdw3"), ("sdw3", "mdw")}
    assert doors_open() == []


def test_doors_are_closed_when_knocking_fails(hook, tmp_path, ports, doors_open, monkeypatch):
    def broken(*_: Any) -> Any:
        raise RemoteError("The coordinator", "it has gone", "see where it is")

    monkeypatch.setattr(knocking, "_targets", broken)
    with pytest.raises(RemoteError):
        try_network(hook, [Party("mdw", "127.0.0.1"), new("sdw3", tmp_path, ports[0])], udp=True)
    assert doors_open() == []


def test_many_ports_are_tried_by_their_first_and_last_and_some_between():
    places = [("10.0.0.1", Protocol.TCP, port) for port in range(6000, 6100)]
    some = knocking._spread(places, 5)
    assert [port for _, _, port in some] == [6000, 6025, 6050, 6074, 6099]
    assert knocking._spread(places, 100) == places


class _NoPython(LocalHost):
    """Finds no interpreter under any name."""

    def __init__(self, hostname: str, directory: Path) -> None:
        super().__init__(hostname, directory)
        programs = directory / "programs"
        programs.mkdir()
        bash = programs / "bash"
        bash.symlink_to("/bin/bash")
        self.path = str(programs)
