"""Who is told that there is no root: only one who was refused, never one whose host does not answer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import paramiko
import pytest

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.root_shell import NoRoot, log_in_as_root
from tests.unit.hooks.sshd import Sshd, free_port

MakeHook = Callable[..., GreenplumHook]


def at_port(hook: GreenplumHook, port: int) -> GreenplumHook:
    """The hook, with every other host at this port of this machine, as whoever runs the test."""

    def host(hostname: str, address: str, user: str, **more: Any) -> Any:
        return hook.host(hostname, "127.0.0.1", port=port)

    return cast(GreenplumHook, SimpleNamespace(host=host))


def test_a_refused_key_is_no_root(make_hook: MakeHook, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Sshd(tmp_path_factory.mktemp("sdw9")).start()  # it does not know the coordinator's key
    try:
        with pytest.raises(NoRoot, match="sshd refused the key"):
            log_in_as_root(at_port(make_hook(), server.port), "sdw9", "sdw9")
    finally:
        server.stop()


def test_a_forced_command_is_no_root(make_hook: MakeHook, sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Sshd(tmp_path_factory.mktemp("cloud"), ["ForceCommand echo Please log in as another user; exit 1"])
    server.start().admit(sshd)
    try:
        with pytest.raises(NoRoot, match="Please log in as another user"):
            log_in_as_root(at_port(make_hook(), server.port), "cloud", "cloud")
    finally:
        server.stop()


def test_a_host_that_does_not_answer_is_not_one_without_root(make_hook: MakeHook) -> None:
    with pytest.raises(RemoteError, match="cannot connect") as caught:
        log_in_as_root(at_port(make_hook(), free_port()), "sdw3", "sdw3")
    assert not isinstance(caught.value, NoRoot)


def test_a_host_that_goes_down_in_the_middle_of_the_login_has_not_refused(
    make_hook: MakeHook, second: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = paramiko.Transport.auth_publickey

    def cut(self: paramiko.Transport, *arguments: Any) -> Any:
        second.cut()
        return real(self, *arguments)

    hook = make_hook()
    far = hook.host("sdw1", "127.0.0.1", port=second.port)
    hook.coordinator().run(["true"])  # logged in before; only the other host hangs up
    monkeypatch.setattr(paramiko.Transport, "auth_publickey", cut)
    with pytest.raises(RemoteError, match="broke off") as caught:
        log_in_as_root(cast(GreenplumHook, SimpleNamespace(host=lambda *a, **k: far)), "sdw1", "sdw1")
    assert not isinstance(caught.value, NoRoot)


def test_who_is_not_root_is_told_as_whom(make_hook: MakeHook, second: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    host = make_hook().host("sdw1", "127.0.0.1", port=second.port)
    monkeypatch.setattr(type(host), "run", lambda self, command: SimpleNamespace(stdout="530\n"))
    with pytest.raises(NoRoot, match="is user 530 there"):
        log_in_as_root(cast(GreenplumHook, SimpleNamespace(host=lambda *a, **k: host)), "sdw1", "sdw1")
