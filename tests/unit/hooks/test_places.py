"""What the scripts for new hosts see and do; they run here, by the same bash."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks import leftovers, places
from greenplum_expansion.hooks.remote import CommandResult, FileMissing, Script
from greenplum_expansion.planning.places import PlaceKind


class _Here:
    """A host whose commands run on this machine."""

    hostname = address = "sdw3"
    user = "gpadmin"

    def run(self, command: Script | Sequence[str], *, check: bool = True, **_: Any) -> CommandResult:
        argv = ["bash", "-c", command.text] if isinstance(command, Script) else list(command)
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0 or not check, done.stderr
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def read_json(self, path: str) -> Any:
        if not Path(path).exists():
            raise FileMissing("x", "it does not exist", "write it")
        return json.loads(Path(path).read_text())

    def write_json(self, path: str, value: Any) -> None:
        Path(path).write_text(json.dumps(value))


HOST: Any = _Here()


def look(path: Path, since: float | None = None) -> Any:
    now, found = places.look_at_places(HOST, [str(path)], since)
    assert now > 0
    return found[0]


def test_nothing_a_file_a_link_and_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "empty").mkdir(mode=0o750)

    assert look(tmp_path / "none").kind is PlaceKind.ABSENT
    assert look(tmp_path / "file").kind is PlaceKind.OTHER
    assert look(tmp_path / "link").kind is PlaceKind.LINK
    empty = look(tmp_path / "empty")
    assert (empty.is_empty, empty.mode, empty.is_mount) == (True, "750", False)


def test_a_mount_point_is_told() -> None:
    assert look(Path("/proc")).is_mount


@pytest.mark.parametrize("name", ["plain", "with space", "$(touch never)", "`x`", "--", "new\nline", "ümlaut"])
def test_entries_are_names_and_nothing_more(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    found = look(tmp_path)

    assert found.entries
    assert not found.is_empty
    if "\n" not in name:
        assert found.entries == (name,)


def test_what_was_there_before_is_told_by_the_clock_nobody_sets(tmp_path: Path) -> None:
    deep = tmp_path / "base" / "1"
    deep.mkdir(parents=True)
    (deep / "old").touch()
    began, _ = places.look_at_places(HOST, [str(tmp_path)])
    assert look(tmp_path, began).has_older

    fresh = tmp_path / "fresh"
    fresh.mkdir()
    made = fresh / "copied"
    made.touch()
    subprocess.run(["touch", "-d", "2001-01-01", str(made)], check=True)  # as tar and rsync do
    assert not look(fresh, began).has_older


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gp_dbid=11\n", (11, None)),
        ("gp_contentid=4\ngp_dbid = 11\n", (11, 4)),
        ("# nothing\n", (None, None)),
    ],
)
def test_a_segment_is_known_by_what_it_calls_itself(
    tmp_path: Path, text: str, expected: tuple[int | None, int | None]
) -> None:
    (tmp_path / "internal.auto.conf").write_text(text)
    found = look(tmp_path)
    assert (found.dbid, found.content) == expected


@pytest.fixture
def expansion(tmp_path: Path) -> tuple[Any, Any]:
    (tmp_path / "expansion").mkdir()
    hook = SimpleNamespace(coordinator=lambda: HOST, host=lambda *_: HOST)
    directory = SimpleNamespace(expansion_id="x-1", file=lambda name: str(tmp_path / "expansion" / name))
    return hook, directory


def test_what_is_moved_aside_comes_back(tmp_path: Path, expansion: tuple[Any, Any]) -> None:
    hook, directory = expansion
    place = tmp_path / "it's here"
    place.mkdir()
    (place / "precious").write_text("x")

    aside = places.move_aside(hook, directory, HOST, str(place))

    assert aside == f"{place}.before-x-1"
    assert not place.exists()
    assert places.put_back(hook, directory, "sdw3") == [(str(place), str(place))]
    assert (place / "precious").read_text() == "x"
    assert places.put_back(hook, directory, "sdw3") == [], "twice is nothing"


def test_what_is_moved_aside_twice_overwrites_nothing(tmp_path: Path, expansion: tuple[Any, Any]) -> None:
    hook, directory = expansion
    place = tmp_path / "d"
    for number in range(3):
        place.mkdir()
        (place / str(number)).touch()
        places.move_aside(hook, directory, HOST, str(place))

    kept = {name.name for aside in tmp_path.glob("d.before-x-1*") for name in aside.iterdir()}
    assert kept == {"0", "1", "2"}


def test_an_occupied_place_is_told_with_where_the_rest_lies(tmp_path: Path, expansion: tuple[Any, Any]) -> None:
    hook, directory = expansion
    place = tmp_path / "d"
    place.mkdir()
    (place / "mine").touch()
    aside = places.move_aside(hook, directory, HOST, str(place))
    place.mkdir()
    (place / "other").touch()

    assert places.put_back(hook, directory, "sdw3") == [(str(place), aside)]
    assert (Path(aside) / "mine").exists()


def test_what_cannot_be_moved_aside_stops_the_rollback(expansion: tuple[Any, Any]) -> None:
    hook, directory = expansion
    with pytest.raises(StepFailed, match="cannot be moved aside"):
        places.move_aside(hook, directory, HOST, "/proc")


def test_built_directories_go_and_empty_ones_that_were_there_come_back(tmp_path: Path) -> None:
    built, was_there = tmp_path / "gpseg4", tmp_path / "gpseg5"
    for path in (built, was_there):
        (path / "base").mkdir(parents=True)

    places.remove_built(HOST, [str(built), str(was_there)], {str(was_there): "750"})

    assert not built.exists()
    assert (list(was_there.iterdir()), f"{was_there.stat().st_mode:o}"[-3:]) == ([], "750")


def test_only_the_server_of_our_directory_is_ended(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "ours too"
    # A test run in the background of a shell hands down that SIGINT is ignored.
    script = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(600)"
    servers = [
        subprocess.Popen(
            ["bash", "-c", 'exec -a /x/bin/postgres "$2" -c "$0" -D "$1"', script, str(path), sys.executable],
        )
        for path in (ours, other)
    ]
    try:
        while len(leftovers.find_processes(HOST, [str(ours), str(other)])) < len(servers):  # bash becomes them soon
            assert all(server.poll() is None for server in servers)
        assert len(leftovers.find_processes(HOST, [str(ours)])) == 1
        said = leftovers.stop_servers(HOST, [str(ours)])
        assert said == [f"SIGINT to servers left behind: {servers[0].pid}"]
        assert servers[0].wait(60) != 0
        assert servers[1].poll() is None
        assert leftovers.stop_servers(HOST, [str(ours)]) == []
    finally:
        for server in servers:
            server.kill()
            server.wait()


def test_a_free_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert leftovers.ports_in_use(HOST, [port], 0) == [port]
    assert leftovers.ports_in_use(HOST, [port], 0) == []
