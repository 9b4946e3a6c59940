"""The hook: what libpq gets, what the button says, how the installation is found, how utilities are run."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from greenplum_expansion.errors import ActionRefused, RemoteError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.jobs import JobState
from greenplum_expansion.hooks.sql_words import product, query_error, session_option
from tests.unit.hooks.sshd import Sshd, wait_until

MakeHook = Callable[..., GreenplumHook]
GREENPLUM = (
    "PostgreSQL 9.4.26 (Greenplum Database 6.24.3 build commit:25d3) on x86_64-unknown-linux-gnu, compiled by gcc"
)


class FakeServer:
    """Stands for the database: keeps what it was opened with, answers statements by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, data_directory: str = "/data/master/gpseg-1", **identity: Any):
        self.opened: list[dict[str, Any]] = []
        self.rows: dict[str, list[dict[str, Any]]] = {
            "server_identity": [
                {"version": GREENPLUM, "role": "gpadmin", "is_superuser": True, "has_segments": True} | identity
            ],
            "coordinator_settings": [
                {
                    "data_directory": data_directory,
                    "hostname": "mdw",
                    "address": "mdw",
                    "port": 5432,
                    "dbid": 1,
                    "backend_pid": os.getpid(),
                }
            ],
        }
        monkeypatch.setattr(GreenplumHook, "connected", self._connected)
        monkeypatch.setattr(GreenplumHook, "query", lambda hook, name, *_, **__: self.rows[name])

    def _connected(self, *_: Any, **__: Any) -> Any:
        return nullcontext()


@pytest.fixture
def gphome(tmp_path: Path) -> Path:
    """An installation with a gpexpand that shows its environment."""
    home = tmp_path / "greenplum db"
    (home / "bin").mkdir(parents=True)
    (home / "greenplum_path.sh").write_text(f"export GPHOME='{home}' PATH='{home}/bin':$PATH\necho sourced >&2\n")
    tool = home / "bin" / "gpexpand"
    tool.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && { echo "gpexpand version 6.24.3"; exit; }\n'
        'echo "$GPHOME|$MASTER_DATA_DIRECTORY|$COORDINATOR_DATA_DIRECTORY|$PGPORT|$PGDATABASE|$PWD|$*"; cat\n'
    )
    tool.chmod(0o755)
    return home


@pytest.fixture
def data_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "gpseg-1"
    directory.mkdir()
    (directory / "postgresql.conf").write_text("")
    # The test's process plays the SQL session, so its parent is the server.
    (directory / "postmaster.pid").write_text(f"{os.getppid()}\n{directory}\n")
    return directory


def test_psycopg2_gets_the_sql_half_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Opened:
        autocommit = False

    def connect(**arguments: Any) -> Opened:
        given.update(arguments)
        return Opened()

    monkeypatch.setattr(psycopg2, "connect", connect)
    extra = {"ssh_key_file": "/k", "ssh_host_key": "x", "gphome": "/g", "sslmode": "require", "ssh_port": 22}
    monkeypatch.setenv(
        "AIRFLOW_CONN_DWH",
        json.dumps({"conn_type": "greenplum", "host": "mdw", "login": "gpadmin", "password": "pw", "extra": extra}),
    )
    opened = GreenplumHook("dwh").connect("demo", options={"lock_timeout": "5s", "search_path": "a b"})
    assert opened.autocommit is True
    assert {k: given[k] for k in ("host", "user", "password", "dbname", "port", "sslmode", "options")} == {
        "host": "mdw",
        "user": "gpadmin",
        "password": "pw",
        "dbname": "demo",
        "port": 5432,
        "sslmode": "require",
        "options": r"-c lock_timeout=5s -c search_path=a\ b",
    }
    assert not [name for name in given if name.startswith(("ssh_", "gphome", "coordinator"))]
    GreenplumHook("dwh").get_conn()
    assert given["dbname"] == "postgres", "Airflow's own SQL operators get the same defaults"


def test_a_session_setting_cannot_smuggle_another() -> None:
    assert session_option("lock_timeout", "5s -c x=y") == r"lock_timeout=5s\ -c\ x=y"
    with pytest.raises(ValueError, match="not the name of a setting"):
        session_option("a=b", "1")


def test_a_closed_sql_port_is_said_with_address_and_next_action(hook: GreenplumHook) -> None:
    with pytest.raises(RemoteError) as caught:
        hook.connect()
    assert caught.value.subject.startswith("SQL to 127.0.0.1 port 1, database postgres, as ")
    assert "Connection refused" in caught.value.cause
    assert "gpstate" in caught.value.next_action
    assert "sql-s3cret" not in str(caught.value)


def test_an_error_of_a_statement_names_file_database_and_sqlstate() -> None:
    error = query_error("databases", "demo", psycopg2.ProgrammingError("relation x does not exist"), lambda text: text)
    assert error.subject == "Query databases in database demo"
    assert "include/sql/databases.sql" in error.next_action


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (GREENPLUM, "Greenplum Database 6.24.3"),
        ("PostgreSQL 14.4 (Apache Cloudberry 2.0.0-incubating build dev) on x86", "Apache Cloudberry 2.0.0-incubating"),
        ("PostgreSQL 14.4 (Cloudberry Database 1.6.0 build 1) on x86", "Cloudberry Database 1.6.0"),
        ("PostgreSQL 12.12 (Greengage Database 7.4.1 build x) on x86", "Greengage Database 7.4.1"),
        ("PostgreSQL 15.3 (Debian 15.3-0+deb12u1) on x86_64", "PostgreSQL 15.3"),
    ],
)
def test_the_product_is_read_from_version(version: str, said: str) -> None:
    assert product(version) == said


def test_the_button_tells_all_three_when_all_is_well(
    make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch, gphome: Path, data_directory: Path
) -> None:
    FakeServer(monkeypatch, str(data_directory))
    ok, said = make_hook(gphome=str(gphome)).test_connection()
    assert ok, said
    for part in (
        "Greenplum Database 6.24.3, superuser gpadmin",
        "(pinned)",
        "gpexpand version 6.24.3 in",
        "coordinator mdw",
    ):
        assert part in said


def test_the_button_tells_sql_and_ssh_problems_at_once(make_hook: MakeHook, tmp_path: Path) -> None:
    ok, said = make_hook(ssh_key_file=str(tmp_path / "none")).test_connection()
    assert not ok
    assert "SQL to 127.0.0.1 port 1" in said
    assert f"SSH key file {tmp_path}/none" in said
    assert "sql-s3cret" not in said


def test_the_button_tells_a_half_filled_form(make_hook: MakeHook) -> None:
    ok, said = make_hook(ssh_key_file=None).test_connection()
    assert not ok
    assert "ssh_key_file and ssh_private_key are both empty" in said


def test_airflow_finds_the_hook_by_the_connection_type_and_tests_it(sshd: Sshd) -> None:
    from airflow.models.connection import Connection
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    info = ProvidersManagerTaskRuntime().hooks.get("greenplum")
    if info is None:
        pytest.skip("the provider's entry point is not installed here")
    assert info.hook_class_name == "greenplum_expansion.hooks.greenplum.GreenplumHook"
    connection = Connection(conn_id="cluster", **_orm(sshd.connection()))
    os.environ["AIRFLOW_CONN_CLUSTER"] = sshd.connection()
    try:
        ok, said = connection.test_connection()
    finally:
        del os.environ["AIRFLOW_CONN_CLUSTER"]
    assert not ok
    assert "SQL to 127.0.0.1 port 1" in said


def _orm(text: str) -> dict[str, Any]:
    value = json.loads(text)
    return value | {"extra": json.dumps(value["extra"])}


@pytest.mark.parametrize(
    ("identity", "cause"),
    [
        (
            {"has_segments": False, "version": "PostgreSQL 15.3 (Debian)"},
            "the server is not Greenplum.*PostgreSQL 15.3",
        ),
        ({"is_superuser": False, "role": "etl"}, "role etl is no superuser"),
    ],
)
def test_a_server_or_role_that_cannot_do_is_refused(
    hook: GreenplumHook, monkeypatch: pytest.MonkeyPatch, identity: dict[str, Any], cause: str
) -> None:
    FakeServer(monkeypatch, **identity)
    with pytest.raises(ActionRefused, match=cause):
        hook.environment()
    assert hook.test_connection()[0] is False


def test_the_installation_named_in_the_connection_is_verified(
    make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch, gphome: Path, data_directory: Path, sshd: Sshd
) -> None:
    FakeServer(monkeypatch, str(data_directory))
    found = make_hook(gphome=str(gphome)).environment()
    assert (found.gphome, found.path_script) == (str(gphome), str(gphome / "greenplum_path.sh"))
    assert (found.coordinator_data_directory, found.port, found.hostname) == (str(data_directory), 5432, "mdw")
    assert (found.user, found.home) == (getpass.getuser(), str(sshd.home))
    with pytest.raises(RemoteError, match=r"GPHOME on 127.0.0.1.*no directory with bin/gpexpand"):
        make_hook(gphome=str(data_directory)).environment()


def test_the_installation_is_found_in_the_login_environment(
    make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch, gphome: Path, data_directory: Path, sshd: Sshd
) -> None:
    FakeServer(monkeypatch, str(data_directory))
    profile = sshd.home / ".bash_profile"
    profile.write_text(f"echo Welcome\n. '{gphome}/greenplum_path.sh'\n")
    try:
        assert make_hook().environment().gphome == str(gphome)
    finally:
        profile.unlink()


@pytest.mark.parametrize("spoil", ["missing", "empty", "file"])
def test_a_wrong_data_directory_is_told(
    make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch, gphome: Path, tmp_path: Path, spoil: str
) -> None:
    directory = tmp_path / "gpseg-1"
    if spoil == "empty":
        directory.mkdir()
    elif spoil == "file":
        directory.write_text("")
    FakeServer(monkeypatch, str(directory))
    cause = {"missing": "does not exist", "empty": "holds no database", "file": "is no directory"}[spoil]
    with pytest.raises(RemoteError, match=rf"Coordinator data directory on 127.0.0.1.*{directory} {cause}"):
        make_hook(gphome=str(gphome)).environment()


def test_an_ssh_host_that_is_not_the_coordinator_is_told_though_its_paths_are_the_same(
    make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch, gphome: Path, data_directory: Path
) -> None:
    FakeServer(monkeypatch, str(data_directory))
    (data_directory / "postmaster.pid").write_text("1\n")  # the standby's server
    with pytest.raises(RemoteError, match=r"SSH host 127\.0\.0\.1.*not its standby"):
        make_hook(gphome=str(gphome)).environment()


def test_a_utility_is_told_where_everything_is(
    make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch, gphome: Path, data_directory: Path, sshd: Sshd
) -> None:
    FakeServer(monkeypatch, str(data_directory))
    hook = make_hook(gphome=str(gphome))
    result = hook.run_utility(["gpexpand", "-c"], stdin="n\n")
    directory = str(data_directory)
    assert result.stdout == f"{gphome}|{directory}|{directory}|5432||{sshd.home}|-c\nn\n"


def test_a_utility_runs_as_a_job_too(
    make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch, gphome: Path, data_directory: Path, sshd: Sshd
) -> None:
    FakeServer(monkeypatch, str(data_directory))
    hook = make_hook(gphome=str(gphome))
    job = hook.utility_job("2026-11-20/jobs/prepare", ["gpexpand", "-i", "a b"])
    assert job.job_dir == f"{sshd.home}/greenplum-expansions/2026-11-20/jobs/prepare"
    job.ensure_started()
    again = hook.job(job.job_dir)
    wait_until(lambda: again.probe().state is JobState.FINISHED, "the job ends")
    assert again.read_log().text.endswith(f"|{data_directory}|5432||{job.job_dir}|-i a b\n")
