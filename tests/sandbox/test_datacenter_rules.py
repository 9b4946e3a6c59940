"""What the datacenter decides, without starting one."""

import json
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from sandbox import cli, layout
from sandbox.datacenter import control, faults, interpreter, kernel, preflight, state
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.state import Settings, State


@pytest.fixture
def empty(tmp_path: Path) -> State:
    """A state directory with settings, as `up` leaves it, and nothing running."""
    made = State(tmp_path / "state")
    made.directory.mkdir()
    made.faults.mkdir()
    made.run.mkdir()
    made.save(Settings(0x30000000, {name: 20000 + i for i, name in enumerate(state.relay_names())}, 0))
    return made


# --- layout


def test_layout_is_that_of_the_recordings() -> None:
    recorded = {
        (1, -1, "p", "mdw", 5432),
        (2, 0, "p", "sdw1", 6000),
        (9, 3, "m", "sdw1", 7001),
        (10, -1, "m", "smdw", 5432),
    }
    assert recorded <= {(s.dbid, s.content, s.role, s.host, s.port) for s in layout.SEGMENTS}
    places = {(s.host, s.port) for s in layout.SEGMENTS} | {(s.host, s.datadir) for s in layout.SEGMENTS}
    assert len(places) == 2 * len(layout.SEGMENTS)


def test_primary_and_mirror_of_a_content_lie_on_different_hosts() -> None:
    for content in {s.content for s in layout.SEGMENTS}:
        assert len({s.host for s in layout.SEGMENTS if s.content == content}) == 2


def test_newest_postgres_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX_POSTGRES", raising=False)
    for version in ("13", "14", "16"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin/initdb").touch()
    assert layout.postgres_bin(tmp_path) == tmp_path / "16/bin"
    monkeypatch.setenv("SANDBOX_POSTGRES", "14")
    assert layout.postgres_bin(tmp_path) == tmp_path / "14/bin"


def test_postgres_too_old_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "13/bin").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="apt-get install postgresql"):
        layout.postgres_bin(tmp_path)


# --- state directory


def test_two_directories_get_uids_and_ports_apart(tmp_path: Path) -> None:
    first, second = state.choose_uid_base(tmp_path / "a"), state.choose_uid_base(tmp_path / "b")
    assert first != second
    assert first % state.UIDS == second % state.UIDS == 0
    ports = state.choose_ports(state.relay_names())
    assert set(ports) == set(state.relay_names())
    assert len(set(ports.values())) == len(ports)


def test_port_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(state, "_PORTS", [port])
        with pytest.raises(SandboxError, match="no free ports"):
            state.choose_ports(state.relay_names())
        monkeypatch.setattr(state, "_PORTS", [port, *range(20000, 21000)])
        assert port not in state.choose_ports(state.relay_names()).values()


def test_uids_of_another_user_namespace_range_are_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = state.choose_uid_base(tmp_path)
    monkeypatch.setattr(state, "_subuid_text", lambda: f"somebody:{usual}:{state.UIDS}\n")
    assert state.choose_uid_base(tmp_path) != usual


def test_state_directory_follows_option_then_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "env"))
    assert State.chosen(str(tmp_path / "option")).directory == tmp_path / "option"
    assert State.chosen(None).directory == tmp_path / "env"
    monkeypatch.delenv("SANDBOX_HOME")
    monkeypatch.chdir(tmp_path)
    assert State.chosen(None).directory == tmp_path / ".sandbox"


def test_no_sandbox_there_is_said_with_the_next_action(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--state-dir", str(tmp_path), "connection"]) == 1
    message = capsys.readouterr().err
    assert str(tmp_path) in message
    assert "python -m sandbox up" in message


def test_broken_settings_are_an_error_that_names_the_file(empty: State) -> None:
    empty.settings_file.write_text("{")
    with pytest.raises(SandboxError, match=r"sandbox\.json"):
        empty.settings()


def test_down_where_nothing_ever_was_is_no_error(tmp_path: Path) -> None:
    assert cli.main(["--state-dir", str(tmp_path / "nowhere"), "down"]) == 0
    assert not (tmp_path / "nowhere").exists()


def test_second_command_waits_for_the_first(empty: State) -> None:
    waiting, entered = threading.Event(), threading.Event()

    def second() -> None:
        with empty.exclusively(waiting.set):
            entered.set()

    thread = threading.Thread(target=second)
    with empty.exclusively(lambda: pytest.fail("nobody else is here")):
        thread.start()
        assert waiting.wait(30)
        assert not entered.is_set()
    thread.join(30)
    assert entered.is_set()


# --- faults


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("gpexpand.BUILD_SEGMENTS_STARTED", None, "fail"),
        ("gpexpand.UPDATE_CATALOG_DONE", "kill", "kill"),
        ("gprecoverseg", "hang", "hang"),
        ('table.demo.Mixed Case.Täble "x"', "Platte kaputt", "Platte kaputt"),
        ("table.demo.sales.dots.in.name", None, "fault injected by the sandbox"),
        ("slow-moves", "1.5", "1.5"),
    ],
)
def test_fault_is_a_file_that_holds_its_value(empty: State, name: str, value: str | None, kept: str) -> None:
    faults.set_fault(empty, name, value)
    assert (empty.faults / name).read_text() == kept
    assert faults.list_faults(empty) == {name: kept}
    assert faults.clear(empty, name) == [name]
    assert faults.list_faults(empty) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gpexpand.BUILD_SEGMENT_STARTED", None),  # there is no such stage
        ("gpexpand.UPDATE_CATALOG_DONE", "explode"),
        ("slow-moves", None),
        ("slow-moves", "fast"),
        ("table.demo.x", None),
        ("table.demo.sales.../../etc/passwd", None),
        ("../settings", "x"),
        ("table.demo.sales." + "x" * 300, None),
    ],
)
def test_fault_nobody_would_honour_is_refused(empty: State, name: str, value: str | None) -> None:
    with pytest.raises(SandboxError):
        faults.set_fault(empty, name, value)
    assert list(empty.directory.rglob("passwd")) == []
    assert faults.list_faults(empty) == {}


def test_clearing_a_fault_that_is_not_set_says_which_are(empty: State) -> None:
    faults.set_fault(empty, "gprecoverseg", None)
    with pytest.raises(SandboxError, match="set are: gprecoverseg"):
        faults.clear(empty, "slow-moves")


def test_host_fault_needs_a_running_sandbox(empty: State) -> None:
    with pytest.raises(SandboxError, match="is down"):
        faults.host_down(empty, "sdw1")
    assert faults.list_faults(empty) == {}


# --- what the machine lacks


def test_all_missing_packages_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_program", lambda name: None if name in ("sshd", "rsync") else f"/bin/{name}")
    with pytest.raises(SandboxError, match="sudo apt-get install openssh-server rsync"):
        preflight.check_machine(database=False)


def test_ordinary_user_is_told_to_use_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_program", lambda name: f"/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SandboxError, match=r"sudo .*-m sandbox up"):
        preflight.check_machine(database=False)


@pytest.mark.parametrize(
    ("settings", "container", "remedy"),
    [
        ({"user/max_user_namespaces": "0"}, False, "user.max_user_namespaces"),
        ({"kernel/unprivileged_userns_clone": "0"}, False, "unprivileged_userns_clone=1"),
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, False, "apparmor_restrict_unprivileged_userns=0"),
        ({}, True, "docker run --privileged"),
    ],
)
def test_refused_namespaces_come_with_the_remedy_for_the_cause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str], container: bool, remedy: str
) -> None:
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(preflight, "find_program", lambda name: str(refusing))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "_sysctl", settings.get)
    monkeypatch.setattr(preflight, "_in_container", lambda: container)
    with pytest.raises(SandboxError, match="Operation not permitted") as caught:
        preflight.check_machine(database=False)
    assert remedy in caught.value.next_action


def test_old_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.platform, "release", lambda: "5.10.0-9-amd64")
    with pytest.raises(SandboxError, match=r"5\.12"):
        preflight.check_machine(database=False)


def test_psycopg2_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "_psycopg2", lambda: ())
    with pytest.raises(SandboxError, match="pip install psycopg2-binary"):
        interpreter.find_interpreter(database=True)
    assert interpreter.find_interpreter(database=False).libraries == ()


def test_interpreter_outside_usr_is_shown_at_its_own_path() -> None:
    found = interpreter.find_interpreter(database=False)
    base = Path(sys.base_prefix).resolve()
    usr = base.is_relative_to("/usr") and not base.is_relative_to("/usr/local")
    assert found.prefix == (None if usr else str(base))
    assert Path(found.executable).exists()


# --- details


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("never", "always madvise [never]\n"),
        ("always", "[always] madvise never\n"),
        ("nonsense", "always [madvise] never\n"),
    ],
)
def test_hugepages_answer_as_the_kernel_does(word: str, text: str) -> None:
    assert kernel.chosen("always [madvise] never\n", word) == text


def test_processes_are_found_by_their_user_namespace() -> None:
    own = Path("/proc/self/ns/user").stat().st_ino
    assert os.getpid() in control.processes_of(own)
    assert control.processes_of(1) == {}


def test_status_of_a_sandbox_that_is_down_is_exit_code_1(empty: State, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--state-dir", str(empty.directory), "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["up"] is False
