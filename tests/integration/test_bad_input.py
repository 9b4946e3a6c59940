"""What cannot be done is refused before anything is touched: one finding that names it and says what to do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import NEW_HOSTS
from tests.support.in_process import run_checks, run_checks_errors
from tests.support.practice import Practice
from tests.support.snapshot import snapshot

pytestmark = [pytest.mark.sandbox, pytest.mark.integration]


@pytest.fixture(scope="module", autouse=True)
def fresh(practice: Practice) -> Iterator[None]:
    """Nothing of an earlier test is in the cluster, and nothing of these stays."""
    practice.clear_faults()
    practice.reset()
    yield
    practice.reset()


@pytest.fixture(autouse=True)
def nothing_is_touched(connection: dict[str, Any], practice: Practice) -> Iterator[None]:
    """Neither catalog nor new hosts look different after a refusal."""
    listing = "ls -A /data; cat ~/.ssh/authorized_keys"
    before = snapshot(connection), [practice.run(listing, host).stdout for host in ("sdw3", "sdw4")]
    yield
    assert (snapshot(connection), [practice.run(listing, host).stdout for host in ("sdw3", "sdw4")]) == before


@pytest.fixture
def refused(connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The one error for a request, as a sentence; a second error fails the test."""

    def refuse(hosts: list[Any], changed_connection: dict[str, Any] | None = None, **conf: Any) -> str:
        monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", json.dumps(changed_connection or connection))
        errors = run_checks_errors({"greenplum_conn_id": "practice", "new_hosts": hosts, **conf})
        assert len(errors) == 1, errors
        return errors[0]

    return refuse


def with_extra(connection: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {**connection, "extra": {**connection["extra"], **extra}}


def test_good_hosts_pass_every_check(connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", json.dumps(connection))
    findings = run_checks({"greenplum_conn_id": "practice", "new_hosts": NEW_HOSTS})
    worth_a_word = [finding for finding in findings if finding["severity"] != "note"]
    assert [finding["check"] for finding in worth_a_word] == ["unlogged-tables"], worth_a_word


def test_an_unknown_host(refused):
    error = refused(["sdw9", "sdw4"])
    assert "sdw9: the coordinator mdw does not know the name sdw9. Remedy: correct it, or add it to /etc/hosts" in error


def test_an_unreachable_host(refused, practice):
    practice.sandbox("fault", "host-down", "sdw4")
    try:
        error = refused(NEW_HOSTS)
    finally:
        practice.sandbox("fault", "host-up", "sdw4")
    assert "SSH to sdw4 (10.77.0.24) as gpadmin" in error
    assert "did not get through to it" in error or "cannot connect" in error


def test_a_host_that_is_in_the_cluster(refused):
    assert "new host sdw1: it is in the cluster already, as host of primary of content 0" in refused(["sdw1", "sdw3"])


def test_a_host_given_twice(refused):
    error = refused(["sdw3", "sdw3=10.77.0.23"])
    assert "new host hostname sdw3 is given twice; name each host once. Remedy: correct it and trigger again" in error


def test_too_few_hosts_for_a_spread(refused):
    error = refused(NEW_HOSTS, mirroring="spread")
    assert "2 hosts are given, each gets 2 primaries. Remedy: give at least 3 hosts, or choose grouped" in error


def test_one_host_for_a_mirrored_cluster(refused):
    assert "needs at least 2 new hosts, 1 is given. Remedy: add another host" in refused(NEW_HOSTS[:1])


def test_a_wrong_key(refused, connection, tmp_path: Path):
    key = tmp_path / "id_stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    error = refused(NEW_HOSTS, with_extra(connection, ssh_key_file=str(key)))
    assert "sshd refused the key ssh-ed25519" in error
    assert "Remedy: add the public half of the key to ~gpadmin/.ssh/authorized_keys there" in error


def test_a_coordinator_with_another_host_key(refused, connection):
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJOSc55Zk+4pjpXaZhvxb6V5brStO0CbJt8J6oxSKvw"
    assert "host key" in refused(NEW_HOSTS, with_extra(connection, ssh_host_key=other))


def test_a_new_host_with_another_host_key_than_promised(refused):
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJOSc55Zk+4pjpXaZhvxb6V5brStO0CbJt8J6oxSKvw"
    error = refused([{"hostname": "sdw3", "address": "10.77.0.23", "host_key": other}, NEW_HOSTS[1]])
    assert "sdw3" in error
    assert "host key" in error.lower()


def test_a_wrong_password(refused, connection):
    error = refused(NEW_HOSTS, {**connection, "password": "not-it"})
    assert "password authentication failed" in error
    assert "not-it" not in error


def test_a_server_that_is_not_greenplum(refused, connection, plain_postgres):
    error = refused(NEW_HOSTS, {**connection, "port": plain_postgres})
    assert "the server is not Greenplum" in error


def test_an_expansion_half_done_by_hand(refused, practice):
    practice.run("echo UNINITIALIZED:None > $MASTER_DATA_DIRECTORY/gpexpand.status")
    try:
        error = refused(NEW_HOSTS)
    finally:
        practice.run("rm $MASTER_DATA_DIRECTORY/gpexpand.status")
    assert "expansion already under way: preparation failed" in error
    assert "run greenplum_rollback" in error


def test_another_run_of_this_airflow(refused, connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", json.dumps(connection))
    conf = {"greenplum_conn_id": "practice", "new_hosts": NEW_HOSTS}
    assert run_checks_errors(conf, run_id="first") == []
    errors = run_checks_errors(conf, run_id="second", active_runs={"first"})
    assert len(errors) == 1
    assert "run first of greenplum_expand has claimed the cluster" in errors[0]
    assert run_checks_errors(conf, run_id="second") == [], "a run that is over holds nothing"


def test_a_data_directory_with_something_in_it(refused, practice):
    practice.run("mkdir -p /data/primary/gpseg4 && touch /data/primary/gpseg4/precious", "sdw3")
    try:
        error = refused(NEW_HOSTS)
    finally:
        practice.run("rm -r /data/primary", "sdw3")
    assert "new host sdw3, /data/primary/gpseg4: it is not empty" in error
    assert "move its content away" in error


def test_a_port_in_use(refused, practice):
    until_met = "import socket; s = socket.create_server(('', 7001)); print('on', flush=True); s.accept()"
    listener = practice.start(f'/opt/sandbox/bin/python -c "{until_met}"', "sdw4")
    try:
        assert listener.stdout.readline().strip() == "on"
        error = refused(NEW_HOSTS)
    finally:
        practice.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/7001'", "sdw4")
        practice.finish(listener)
    assert "new host sdw4, port 7001: a process there listens on it already" in error


def test_a_directory_the_user_may_not_make(connection, practice, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", json.dumps(connection))
    practice.run("chmod 755 /data && chown root /data", "sdw3", user="root")
    try:
        errors = run_checks_errors({"greenplum_conn_id": "practice", "new_hosts": NEW_HOSTS})
    finally:
        practice.run("chown gpadmin /data", "sdw3", user="root")
    assert len(errors) == 4, "one for each directory planned there"
    assert all("the cluster's user can neither make nor write it" in error for error in errors)


def test_a_host_without_greenplum(refused, connection, practice):
    practice.run("umount /usr/local/greenplum-db", "sdw3", user="root")
    try:
        error = refused(NEW_HOSTS)
    finally:
        practice.sandbox("fault", "host-down", "sdw3")
        practice.sandbox("fault", "host-up", "sdw3")
    assert "new host sdw3: Greenplum is not installed in /usr/local/greenplum-db" in error


def test_a_segment_that_is_down(connection, practice, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", json.dumps(connection))
    practice.sandbox("fault", "segment-down", "1")
    errors = run_checks_errors({"greenplum_conn_id": "practice", "new_hosts": NEW_HOSTS})
    practice.reset()
    assert any("primary of content 1 (dbid 3) on sdw1:6001: it is down" in error for error in errors), errors
    assert all("content 1" in error for error in errors)


@pytest.fixture
def plain_postgres(tmp_path: Path, connection: dict[str, Any]) -> Iterator[int]:
    """An ordinary PostgreSQL that takes the same login; its port."""
    from sandbox.layout import postgres_bin

    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    data, password = tmp_path / "data", tmp_path / "password"
    data.mkdir(mode=0o700)
    password.write_text(connection["password"])
    drop = []
    if os.geteuid() == 0:
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        drop = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    port = _free_port()
    binaries = postgres_bin()
    initdb = [f"{binaries}/initdb", "-D", str(data), "-U", connection["login"], "-A", "md5", f"--pwfile={password}"]
    subprocess.run([*drop, *initdb, "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off"
    control = [*drop, f"{binaries}/pg_ctl", "-D", str(data), "-w", "-s"]
    subprocess.run([*control, "-o", options, "-l", str(data / "log"), "start"], check=True, cwd="/")
    try:
        yield port
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/")


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
