"""What cannot be done is refused before anything is touched: one finding that names it and says what to do.

What is wrong with new hosts is in tests/faults/test_new_host*.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import NEW_HOSTS
from tests.support.in_process import run_checks, run_checks_errors
from tests.support.ports import free_port
from tests.support.practice import Practice
from tests.support.snapshot import snapshot

pytestmark = [pytest.mark.sandbox, pytest.mark.integration]


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
    of_the_demo = {"unlogged-tables", "writes-while-building"}  # what this database holds, and this version of gpexpand
    assert {finding["check"] for finding in worth_a_word} == of_the_demo, worth_a_word
    assert {finding["severity"] for finding in worth_a_word} == {"warning"}


def test_a_wrong_key(refused, connection, tmp_path: Path):
    key = tmp_path / "id_stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    error = refused(NEW_HOSTS, with_extra(connection, ssh_key_file=str(key)))
    assert "sshd refused the key ssh-ed25519" in error
    assert "Remedy: add the public half of the key to ~gpadmin/.ssh/authorized_keys there" in error


def test_a_coordinator_with_another_host_key(refused, connection):
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJOSc55Zk+4pjpXaZhvxb6V5brStO0CbJt8J6oxSKvw"
    assert "host key" in refused(NEW_HOSTS, with_extra(connection, ssh_host_key=other))


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

    top = Path(tempfile.gettempdir())
    for directory in (tmp_path, *tmp_path.parents):
        if directory == top:
            break
        directory.chmod(0o755)
    data, password = tmp_path / "data", tmp_path / "password"
    data.mkdir(mode=0o700)
    password.write_text(connection["password"])
    drop = []
    if os.geteuid() == 0:
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        drop = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    port = free_port()
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
