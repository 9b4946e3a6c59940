"""Who works in the cluster is told by process, role and time, without the values in a statement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenplum_expansion.checks.activity import (
    Session,
    Utility,
    check_base_backup,
    check_catalog_changes,
    check_long_transactions,
    check_sessions,
    check_utilities,
    first_words,
    utilities_in_sessions,
    utility_of,
)
from greenplum_expansion.checks.cluster import Replication
from greenplum_expansion.checks.finding import Severity

IDLE = Session(41, "app", "dwh", "psql", "10.0.0.9", "idle", None, "SELECT")
WORKING = replace(IDLE, pid=42, state="active", transaction_seconds=30.0, words="UPDATE orders")
FORGOTTEN = replace(IDLE, pid=43, state="idle in transaction", transaction_seconds=7200.0, changes_catalog=True)
OURS = replace(WORKING, pid=44, application="greenplum_expansion")


def test_sessions_outside_of_a_transaction_and_our_own_are_no_matter() -> None:
    assert check_sessions([IDLE, OURS], drained=False) == []


def test_open_transactions_are_noted_with_role_and_time() -> None:
    (finding,) = check_sessions([IDLE, WORKING], drained=False)
    assert finding.severity is Severity.NOTE
    assert "process 42 of app from 10.0.0.9 (psql) in dwh, active for 30 s: UPDATE orders" in finding.problem


def test_a_long_transaction_is_a_warning_unless_it_is_waited_for_or_ended() -> None:
    (finding,) = check_long_transactions([WORKING, FORGOTTEN], drained=False)
    assert finding.severity is Severity.WARNING
    assert "idle in transaction for 2 h 0 min" in finding.problem
    assert "pg_terminate_backend(43)" in finding.remedy
    (noted,) = check_long_transactions([WORKING, FORGOTTEN], drained=True)
    assert noted.severity is Severity.NOTE


def test_a_changed_catalog_is_told_with_what_it_holds_up() -> None:
    (finding,) = check_catalog_changes([WORKING, FORGOTTEN], drained=False)
    assert "1 in a transaction that has changed a catalog" in finding.problem
    assert check_catalog_changes([WORKING, FORGOTTEN], drained=True) == []


def test_sessions_of_protected_roles_are_not_ended_but_seen() -> None:
    loader = replace(FORGOTTEN, pid=45, role="loader")
    treated = {"drained": True, "protected_roles": ["loader"]}
    (noted,) = check_sessions([loader], **treated)
    assert "preparation may have to wait for them" in noted.problem
    both = check_sessions([WORKING, loader], **treated)
    assert [("process 42" in note.problem, "process 45" in note.problem) for note in both] == [
        (True, False),
        (False, True),
    ]
    (long,) = check_long_transactions([loader], **treated)
    assert long.severity is Severity.WARNING
    assert "pg_terminate_backend" not in long.remedy
    (changed,) = check_catalog_changes([FORGOTTEN, loader], **treated)
    assert "1 in a transaction that has changed a catalog" in changed.problem
    assert "process 45" in changed.problem
    assert len(check_catalog_changes([FORGOTTEN, loader], drained=False, protected_roles=["loader"])) == 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("UPDATE orders SET card = '4111'", "UPDATE ORDERS"),
        ("ALTER ROLE app PASSWORD 'secret'", "ALTER ROLE"),
        ("-- hint\n/* more */ select 1", "SELECT"),
        ("", ""),
        ("'secret'", ""),
        ("SELECT 'secret'", "SELECT"),
    ],
)
def test_of_a_statement_only_the_first_words_are_told(query: str, words: str) -> None:
    assert first_words(query) == words


def test_a_base_backup_is_told_once_for_each_server() -> None:
    mirror = Replication(0, "gp_walreceiver", "streaming", "sync", "none", 0)
    backup = Replication(-1, "pg_basebackup", "backup", "async", "none", None)
    findings = check_base_backup([mirror, backup, backup, replace(backup, content=2, application="backup tool")])
    assert [finding.subject for finding in findings] == ["coordinator", "content 2"]
    assert check_base_backup([mirror]) == []


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "/usr/local/greenplum-db/bin/gpcheckcat", "-A"], "gpcheckcat"),
        (["/usr/bin/python2.7", "-E", "/x/gpexpand", "-i", "f"], "gpexpand"),
        (["/usr/local/bin/gpbackup", "--dbname", "dwh"], "gpbackup"),
        (["pg_dump", "dwh"], "pg_dump"),
        (["bash", "/opt/bin/gpcrondump"], "gpcrondump"),
        (["bash", "-c", "gpexpand -i f"], None),
        (["vim", "gpexpand"], None),
        (["tail", "-f", "/home/gpadmin/gpAdminLogs/gpbackup"], None),
        (["gpstate", "-s"], None),
        ([], None),
    ],
)
def test_a_utility_is_known_by_its_own_name_not_by_its_arguments(command: list[str], name: str | None) -> None:
    assert utility_of(command) == name


def test_utilities_elsewhere_tell_by_their_sessions_each_once() -> None:
    backup = replace(WORKING, application="gpbackup_20261120073015", role="backup")
    found = utilities_in_sessions([backup, replace(backup, pid=50), replace(IDLE, application="gpbackups r us"), OURS])
    assert found == [Utility("gpbackup", "session 42 of backup from 10.0.0.9")]


def test_a_utility_says_why_it_is_in_the_way() -> None:
    backup, recovery = check_utilities([Utility("gpbackup", "process 7 on mdw"), Utility("gprecoverseg", "p")])
    assert "it is running (process 7 on mdw), and it holds a lock on every table it saves" in backup.problem
    assert "it changes the cluster" in recovery.problem
