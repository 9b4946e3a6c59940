"""Every way a login can fail has its own words; jumps trust what the coordinator's user trusts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenplum_expansion.errors import InvalidRequest, RemoteError
from greenplum_expansion.hooks import session
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.known_hosts import HostKey, Trust
from tests.support.ports import free_port
from tests.unit.hooks.sshd import Sshd, make_key, wait_until

MakeHook = Callable[..., GreenplumHook]


@pytest.fixture
def coordinator_knows(sshd: Sshd) -> Iterator[Path]:
    """~/.ssh/known_hosts of the coordinator's user; empty before and after."""
    file = sshd.home / ".ssh" / "known_hosts"
    file.unlink(missing_ok=True)
    yield file
    file.unlink(missing_ok=True)


def refusal(hook: GreenplumHook) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        hook.coordinator().run(["true"])
    assert "SSH to 127.0.0.1" in caught.value.subject
    return caught.value


def test_a_wrong_key_is_named_by_its_fingerprint_and_where_it_belongs(make_hook: MakeHook, tmp_path: Path) -> None:
    stranger = HostKey.parse(make_key(tmp_path / "stranger"))
    error = refusal(make_hook(ssh_key_file=str(tmp_path / "stranger")))
    assert f"sshd refused the key ssh-ed25519 {stranger.fingerprint}" in error.cause
    assert "authorized_keys" in error.next_action


def test_a_wrong_host_key_names_both_and_no_login_is_tried(make_hook: MakeHook, sshd: Sshd, tmp_path: Path) -> None:
    expected = make_key(tmp_path / "other")
    error = refusal(make_hook(ssh_host_key=expected))
    assert HostKey.parse(expected).fingerprint in error.cause
    assert HostKey.parse(sshd.host_key).fingerprint in error.cause
    assert "ssh_host_key of connection cluster" in error.cause


def test_a_host_key_of_another_type_is_as_wrong(make_hook: MakeHook, tmp_path: Path) -> None:
    error = refusal(make_hook(ssh_host_key=make_key(tmp_path / "other", "rsa")))
    assert "but ssh_host_key of connection cluster says ssh-rsa SHA256:" in error.cause


def test_without_a_host_key_the_presented_one_is_shown_for_pasting(make_hook: MakeHook, sshd: Sshd) -> None:
    error = refusal(make_hook(ssh_host_key=None))
    assert "its host key is not known" in error.cause
    assert HostKey.parse(sshd.host_key).line in error.next_action


def test_the_check_is_left_out_only_when_the_connection_says_so(make_hook: MakeHook) -> None:
    hook = make_hook(ssh_host_key=None, ssh_no_host_key_check="true")
    assert hook.coordinator().run(["true"]).ok
    assert hook.coordinator().host_key.trust is Trust.UNCHECKED


def test_a_refused_port_is_said(make_hook: MakeHook) -> None:
    assert "refused the connection" in refusal(make_hook(ssh_port=free_port())).cause


def test_an_unknown_name_is_said(make_hook: MakeHook) -> None:
    with pytest.raises(RemoteError, match=r"the name 'mdw\.invalid' cannot be resolved"):
        make_hook(ssh_host="mdw.invalid").coordinator().run(["true"])


def test_a_server_that_is_not_ssh_is_said(make_hook: MakeHook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"220 mail ready\r\n" * 100), daemon=True).start()
        error = refusal(make_hook(ssh_port=server.getsockname()[1]))
    assert "220 mail ready" in error.cause
    assert error.next_action == "check that an SSH server answers at this port"


def test_a_server_that_hangs_up_before_the_login_is_said(make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_ATTEMPTS", 2)
    monkeypatch.setattr(session, "_pause", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: [server.accept()[0].close() for _ in range(2)], daemon=True).start()
        error = refusal(make_hook(ssh_port=server.getsockname()[1]))
    assert "the connection was cut before the login, 2 times" in error.cause
    assert "MaxStartups" in error.next_action


def test_connections_dropped_by_max_startups_are_tried_again(
    make_hook: MakeHook, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_pause", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as relay:

        def serve() -> None:
            relay.accept()[0].close()
            near, far = relay.accept()[0], socket.create_connection(("127.0.0.1", sshd.port))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        assert make_hook(ssh_port=relay.getsockname()[1]).coordinator().run(["true"]).ok


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        return


def test_a_cut_connection_is_opened_again_for_the_next_command(hook: GreenplumHook, sshd: Sshd) -> None:
    host = hook.coordinator()
    assert host.run(["true"]).ok
    sshd.cut()
    wait_until(lambda: not host.session.is_alive(), "the connection is seen to be cut")
    assert host.run(["true"]).ok


def test_a_connection_lost_under_a_command_says_that_the_outcome_is_unknown(hook: GreenplumHook, sshd: Sshd) -> None:
    host = hook.coordinator()
    host.run(["true"])
    before = set(sshd.sessions())

    def cut() -> None:
        wait_until(lambda: (sshd.home / "started").exists(), "the command has started")
        assert before
        sshd.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(RemoteError, match=r"was lost while it ran.*how it ended is not known"):
        host.run(["sh", "-c", "touch ~/started; sleep 30"])
    cutter.join()


def test_a_known_host_is_reached_through_the_coordinator(
    hook: GreenplumHook, second: Sshd, coordinator_knows: Path
) -> None:
    coordinator_knows.write_text(f"[sdw1]:{second.port} {second.host_key}\n")
    host = hook.host("sdw1", "127.0.0.1", port=second.port)
    # $SSH_CONNECTION tells where the server saw the login come from, $HOME which of the two servers it was.
    assert host.run(["printenv", "HOME"]).stdout == f"{second.home}\n"
    assert host.host_key.trust is Trust.KNOWN_HOSTS
    assert hook.host("sdw1", "127.0.0.1", port=second.port) is host


def test_an_unknown_host_is_accepted_and_reported_for_a_finding(
    hook: GreenplumHook, second: Sshd, coordinator_knows: Path
) -> None:
    host = hook.host("sdw3", "127.0.0.1", port=second.port)
    assert host.run(["true"]).ok
    assert host.host_key.trust is Trust.ACCEPTED
    assert host.host_key.key == HostKey.parse(second.host_key)
    assert host.host_key.fingerprint.startswith("SHA256:")
    assert not coordinator_knows.exists(), "accepting writes nothing"


def test_an_accepted_host_that_changes_its_key_is_refused(
    hook: GreenplumHook, tmp_path: Path, coordinator_knows: Path
) -> None:
    first = Sshd(tmp_path / "first")
    first.folder.mkdir()
    first.start()
    host = hook.host("sdw3", "127.0.0.1", port=first.port)
    (first.folder / "authorized_keys").write_text(Path(f"{hook.ssh_settings.key_file}.pub").read_text())
    assert host.run(["true"]).ok
    first.stop()
    for name in ("host_key", "host_key.pub"):
        (first.folder / name).unlink()
    make_key(first.folder / "host_key")
    first.start()
    try:
        wait_until(lambda: not host.session.is_alive(), "the connection is seen to be cut")
        for again in (host, hook.host("sdw3", "127.0.0.1", "root", port=first.port)):
            with pytest.raises(RemoteError, match="a moment ago it was SHA256:"):
                again.run(["true"])
    finally:
        first.stop()


def test_a_known_host_with_another_key_is_refused_with_the_way_out(
    hook: GreenplumHook, second: Sshd, coordinator_knows: Path, tmp_path: Path
) -> None:
    coordinator_knows.write_text(f"[sdw1]:{second.port} {make_key(tmp_path / 'old')}\n")
    with pytest.raises(RemoteError) as caught:
        hook.host("sdw1", "127.0.0.1", port=second.port).run(["true"])
    assert "known_hosts of" in caught.value.cause
    assert "ssh-keygen -R sdw1" in caught.value.next_action
    assert "through 127.0.0.1" in caught.value.subject


def test_a_revoked_key_is_refused(hook: GreenplumHook, second: Sshd, coordinator_knows: Path) -> None:
    coordinator_knows.write_text(f"@revoked [sdw1]:{second.port} {second.host_key}\n")
    with pytest.raises(RemoteError, match="@revoked"):
        hook.host("sdw1", "127.0.0.1", port=second.port).run(["true"])


def test_a_pinned_key_counts_more_than_known_hosts(
    hook: GreenplumHook, second: Sshd, coordinator_knows: Path, tmp_path: Path
) -> None:
    coordinator_knows.write_text(f"[sdw1]:{second.port} {make_key(tmp_path / 'old')}\n")
    host = hook.host("sdw1", "127.0.0.1", port=second.port, host_key=second.host_key)
    assert host.run(["true"]).ok
    assert host.host_key.trust is Trust.PINNED
    wrong = hook.host("sdw1", "127.0.0.1", port=second.port, host_key=(tmp_path / "old.pub").read_text())
    with pytest.raises(RemoteError, match="but the request says"):
        wrong.run(["true"])
    with pytest.raises(InvalidRequest, match="Host key of sdw1"):
        hook.host("sdw1", host_key="nonsense")


def test_a_host_the_coordinator_cannot_reach_is_its_problem_not_the_coordinators(hook: GreenplumHook) -> None:
    with pytest.raises(RemoteError) as caught:
        hook.host("sdw9", "127.0.0.1", port=free_port()).run(["true"])
    assert "SSH to sdw9 (127.0.0.1)" in caught.value.subject
    assert "127.0.0.1 port" in caught.value.cause
    assert hook.coordinator().run(["true"]).ok


def test_a_host_that_swallows_packets_does_not_cost_the_coordinators_connection(
    hook: GreenplumHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator = hook.coordinator()
    coordinator.run(["true"])
    transport = coordinator.session.transport()
    monkeypatch.setattr(session, "CONNECT_TIMEOUT", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as deaf,
        # The queue is full and nobody accepts: a further connection hangs, as one to a host behind a firewall does.
        socket.create_connection(deaf.getsockname()),
        pytest.raises(RemoteError, match=r"did not get through to it within 0\.5 s"),
    ):
        hook.host("sdw9", "127.0.0.1", port=deaf.getsockname()[1]).run(["true"])
    assert coordinator.session.transport() is transport


def test_a_coordinator_that_forbids_forwarding_says_which_setting(
    make_hook: MakeHook, second: Sshd, tmp_path: Path
) -> None:
    closed = Sshd(tmp_path, ["AllowTcpForwarding no"]).start()
    try:
        hook = make_hook(closed)
        with pytest.raises(RemoteError) as caught:
            hook.host("sdw1", "127.0.0.1", port=second.port).run(["true"])
        assert "forbids forwarding" in caught.value.cause
        assert "AllowTcpForwarding" in caught.value.next_action
    finally:
        closed.stop()


def test_a_coordinator_with_three_keys_presents_the_one_that_is_known(make_hook: MakeHook, tmp_path: Path) -> None:
    public = {kind: make_key(tmp_path / kind, kind) for kind in ("rsa", "ecdsa")}
    server = Sshd(tmp_path, [f"HostKey {tmp_path / kind}" for kind in public]).start()
    try:
        for line in (*public.values(), server.host_key):
            assert make_hook(server, ssh_host_key=line).coordinator().run(["true"]).ok
    finally:
        server.stop()
