"""Commands arrive as they were meant, whatever the login shell does; they end in time; they keep secrets."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks import shell
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import CommandFailed, RemoteHost, Script
from tests.unit.hooks.sshd import Sshd, wait_until


def test_arguments_arrive_unchanged(shared_host: RemoteHost) -> None:
    words = ["$HOME", "a b", "", "'", '"', "`id`", "!", "\\", "two\nlines", "äöü 表", "-n", "*", ";exit 3", "$(id)"]
    result = shared_host.run(["printf", "%s\\0", *words])
    assert result.stdout.split("\0")[:-1] == words


def test_one_string_is_no_command(shared_host: RemoteHost) -> None:
    with pytest.raises(TypeError, match="never one string"):
        shared_host.run("rm -rf /tmp/x")
    with pytest.raises(ValueError, match="NUL"):
        shared_host.run(["echo", "a\0b"])


def test_exit_code_output_and_errors_are_kept_apart(shared_host: RemoteHost) -> None:
    result = shared_host.run(["sh", "-c", "echo out; echo err >&2; exit 7"], check=False)
    assert (result.exit_code, result.stdout, result.stderr, result.ok) == (7, "out\n", "err\n", False)


def test_a_failure_names_command_host_code_and_what_was_said(shared_host: RemoteHost) -> None:
    with pytest.raises(CommandFailed) as caught:
        shared_host.run(["/usr/bin/env", "sh", "-c", "echo no room >&2; exit 7"])
    assert caught.value.subject == "env on 127.0.0.1"
    assert caught.value.cause == "exit code 7: no room"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.result.exit_code) == (str(caught.value), 7)


def test_what_a_command_reads_is_exactly_what_was_given(shared_host: RemoteHost) -> None:
    data = os.urandom(3_000_000)
    assert shared_host.run_raw(Script("cat"), stdin=data).stdout == data
    assert shared_host.run(["cat"]).stdout == ""
    assert shared_host.run(["cat"], stdin="ä\n").stdout == "ä\n"


def test_a_command_that_does_not_read_its_input_ends_all_the_same(shared_host: RemoteHost) -> None:
    assert shared_host.run(["true"], stdin=b"x" * 5_000_000).ok


def test_environment_directory_locale_and_setup(shared_host: RemoteHost, tmp_path: Path) -> None:
    text = 'echo "$PWD|$LC_ALL|$A|$B|$#"'
    result = shared_host.run(Script(text), env={"A": "it's $HOME"}, cwd=str(tmp_path), setup="B=2")
    assert result.stdout == f"{tmp_path}|C|it's $HOME|2|0\n"
    with pytest.raises(ValueError, match="is not the name of an environment variable"):
        shared_host.run(["true"], env={"A;reboot": "1"})


def test_a_missing_directory_is_an_error_and_nothing_runs(shared_host: RemoteHost, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="No such file or directory"):
        shared_host.run(["touch", str(tmp_path / "ran")], cwd=str(tmp_path / "none"))
    assert not (tmp_path / "ran").exists()


def test_a_command_out_of_time_is_killed_with_its_children(shared_host: RemoteHost, tmp_path: Path) -> None:
    text = f"sleep 300 & echo $! >{tmp_path}/pid; sh -c 'sleep 301; true'"
    with pytest.raises(RemoteError, match=r"not finished after 0\.5 s; it was killed"):
        shared_host.run(Script(text, "wait for ever"), timeout=0.5)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not _runs(pid), "the child is gone")


def test_a_command_deaf_to_sigterm_is_killed(
    shared_host: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "_KILL_AFTER", 1)
    text = f"trap '' TERM; echo $$ >{tmp_path}/pid; while :; do sleep 1; done"
    with pytest.raises(RemoteError, match="it was killed"):
        shared_host.run(Script(text), timeout=0.5)
    wait_until(lambda: not _runs(int((tmp_path / "pid").read_text())), "it is gone")


def test_endless_output_is_stopped(shared_host: RemoteHost) -> None:
    with pytest.raises(RemoteError, match="printed more than 100000 bytes"):
        shared_host.run(["yes"], max_output=100_000)


def test_a_background_process_does_not_hold_the_command(
    shared_host: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "_QUIET_AFTER_EXIT", 0.2)
    result = shared_host.run(Script(f"sleep 300 & echo $! >{tmp_path}/pid; echo done"), timeout=30)
    assert result.stdout == "done\n"
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_what_the_login_shell_prints_is_cut_off(make_hook: Callable[..., GreenplumHook], tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_text("echo Welcome; echo Last login >&2; set -u\n")
    server = Sshd(tmp_path, [f"SetEnv BASH_ENV={noise}"]).start()
    try:
        result = make_hook(server).coordinator().run(["echo", "hello"])
        assert (result.stdout, result.stderr) == ("hello\n", "")
    finally:
        server.stop()


def test_an_account_without_a_shell_is_told_as_such(make_hook: Callable[..., GreenplumHook], tmp_path: Path) -> None:
    server = Sshd(tmp_path, ["ForceCommand echo This account is currently not available.; exit 1"]).start()
    try:
        with pytest.raises(RemoteError) as caught:
            make_hook(server).coordinator().run(["true"])
        assert "bash did not start" in caught.value.cause
        assert "not available" in caught.value.cause
    finally:
        server.stop()


def test_a_login_shell_that_is_not_bash_makes_no_difference(
    make_hook: Callable[..., GreenplumHook], tmp_path: Path
) -> None:
    server = Sshd(tmp_path, ['ForceCommand exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"']).start()
    try:
        host = make_hook(server).coordinator()
        assert host.run(["printf", "%s", "it's"]).stdout == "it's"
        with pytest.raises(RemoteError, match="it was killed"):
            host.run(["sleep", "300"], timeout=0.3)
    finally:
        server.stop()


def test_more_commands_than_max_sessions_wait_for_each_other(
    make_hook: Callable[..., GreenplumHook], tmp_path: Path
) -> None:
    server = Sshd(tmp_path)
    server.options = ["MaxSessions 2"]
    server.start()
    try:
        host = make_hook(server).coordinator()
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda n: host.run(["echo", str(n)]).stdout, range(16)))
        assert results == [f"{n}\n" for n in range(16)]
    finally:
        server.stop()


def test_secrets_of_the_connection_are_hidden_in_errors(
    make_hook: Callable[..., GreenplumHook], sshd: Sshd, tmp_path: Path
) -> None:
    hook = make_hook(ssh_key_file=None, ssh_private_key=sshd.client_key.read_text())
    with pytest.raises(CommandFailed) as caught:
        hook.coordinator().run(["sh", "-c", "cat >&2; exit 1"], stdin=sshd.client_key.read_text())
    assert "PRIVATE KEY" not in str(caught.value)
    assert hook.redact("password=sql-s3cret") == "password=***"


def test_the_command_line_of_the_script_is_not_seen_by_others(shared_host: RemoteHost) -> None:
    result = shared_host.run(Script("tr '\\0' ' ' </proc/$$/cmdline"), env={"TOKEN": "s3cret"})
    assert result.stdout.strip() == "bash --noprofile --norc -s"


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except FileNotFoundError:
        return False
