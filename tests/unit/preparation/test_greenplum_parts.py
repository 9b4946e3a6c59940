"""User, directories and software of a new host."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenplum_expansion.preparation import account
from greenplum_expansion.preparation.account import plan_account, read_account
from greenplum_expansion.preparation.change import PartPlan
from greenplum_expansion.preparation.directories import plan_directories
from greenplum_expansion.preparation.facts import FileState, HostFacts
from greenplum_expansion.preparation.login import plan_login
from greenplum_expansion.preparation.names import plan_hosts_file
from greenplum_expansion.preparation.software import plan_software
from greenplum_expansion.request import SoftwareSource
from tests.unit.preparation import hosts
from tests.unit.preparation.hosts import host, problems, situation, states_of

ADDRESSES = {"mdw": "10.0.0.1", "sdw3": "10.0.0.13"}


# --- account, directories, software ----------------------------------------------------------------------------------


def test_group_user_and_key_are_made_with_the_coordinators_ids() -> None:
    plan = plan_account(situation(host("sdw3", account="")))
    subjects = list(states_of(plan))
    assert subjects == ["group gpadmin", "user gpadmin", "key of the connection in /home/gpadmin/.ssh/authorized_keys"]
    assert "useradd -u 530 -g 530 -M -d /home/gpadmin -s /bin/bash -p '*' gpadmin" in states_of(plan)["user gpadmin"].do


@pytest.fixture
def made_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Callable[[], str]]]:
    """A home as we make it, its name no easy one for a shell, and what taking it back says."""
    (tmp_path / "skel").mkdir()
    (tmp_path / "skel" / ".bashrc").write_text("umask 022\n")
    (tmp_path / "bin").mkdir()
    users = tmp_path / "users"
    for name, text in {
        "userdel": f'rm -- "{users}"',
        "getent": f'[ "$1" = passwd ] && cat -- "{users}"',
        "useradd": f"echo gpadmin:x:530:530::/x:/bin/bash > '{users}'",
        "chown": "true",
    }.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setattr(account, "SKELETON", str(tmp_path / "skel"))
    home = tmp_path / "a home $(touch witness)" / "gpadmin"
    gpadmin = replace(hosts.GPADMIN, home=str(home))
    change = states_of(plan_account(situation(host("sdw3", account=""), account=gpadmin)))["user gpadmin"]

    def shell(text: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(
            ["bash", "-c", text], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert shell(change.do).returncode == 0
    assert (home / ".bashrc").exists()

    def undo() -> str:
        return shell(f"( {change.undo}\n) </dev/null").stderr

    yield home, undo
    assert not (tmp_path / "witness").exists()
    assert shell(change.probe).stdout.split() == (["530:530", "/x"] if users.exists() else [])


def test_a_home_with_nothing_but_what_we_and_the_utilities_put_there_is_removed(made_home: Any) -> None:
    home, undo = made_home
    for path in (".ssh/authorized_keys", ".ssh/known_hosts", "gpAdminLogs/gpstart_20261120.log"):
        (home / path).parent.mkdir(exist_ok=True)
        (home / path).write_text("x")
    assert undo() == ""
    assert not home.exists()


@pytest.mark.parametrize("path", ["thesis.txt", ".bashrc", ".ssh/config", "work/a b\nc", "gpAdminLogs.txt"])
def test_a_home_with_files_of_others_is_left_with_its_user_and_told(made_home: Any, path: str) -> None:
    home, undo = made_home
    (home / path).parent.mkdir(exist_ok=True)
    (home / path).write_text("mine\n")
    said = undo()
    assert "others have put there" in said
    assert path.split("\n")[0] in said
    assert (home / path).read_text() == "mine\n"
    assert (home / ".bashrc").exists()


def test_links_and_directories_of_others_count_too(made_home: Any, tmp_path: Path) -> None:
    home, undo = made_home
    (home / "data").symlink_to(tmp_path / "skel")
    (home / "empty").mkdir()
    said = undo()
    assert "data" in said
    assert "empty" in said
    assert (tmp_path / "skel" / ".bashrc").exists()


def test_other_filesystems_are_never_entered_by_what_removes_a_home() -> None:
    assert (
        "rm -rf --one-file-system -- /home/gpadmin"
        in states_of(plan_account(situation(host("sdw3", account=""))))["user gpadmin"].undo
    )


def test_a_home_that_was_there_before_is_never_removed() -> None:
    plan = plan_account(situation(host("sdw3", account="home there\n")))
    assert states_of(plan)["user gpadmin"].undo == "userdel gpadmin"


READY = """user_by_name gpadmin:x:530:530::/home/gpadmin:/bin/bash
user_by_id gpadmin:x:530:530::/home/gpadmin:/bin/bash
group_by_name gpadmin:x:530:
group_by_id gpadmin:x:530:
home there
"""


def test_an_account_that_is_as_it_should_be_is_left_alone() -> None:
    assert plan_account(situation(host("sdw3", account=READY, authorized_keys="ssh-ed25519 AAAAC3Nz x"))).changes == ()
    assert list(states_of(plan_account(situation(host("sdw3", account=READY))))) == [
        "key of the connection in /home/gpadmin/.ssh/authorized_keys"
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("user_by_id oracle:x:530:54321::/home/oracle:/bin/bash\n", "user id 530: it belongs to user oracle"),
        ("group_by_id dba:x:530:\n", "group id 530: it belongs to group dba"),
        (READY.replace("530:530", "1001:530"), "its ids are 1001:530, on the coordinator 530:530"),
        (READY.replace("gpadmin:x:530:\n", "gpadmin:x:1001:\n"), "its id is 1001, on the coordinator 530"),
    ],
)
def test_ids_that_are_taken_or_differ_are_for_a_person_to_decide(answer: str, said: str) -> None:
    plan = plan_account(situation(host("sdw3", account=answer)))
    assert said in problems(plan)
    assert not any(change.subject.startswith(("user", "key")) for change in plan.changes)


def test_the_coordinators_account_is_read_from_getent() -> None:
    text = "gpadmin:x:530:531:Greenplum:/home/gpadmin:/bin/bash\ngp:x:531:\n"
    account = read_account(text)
    assert account is not None
    assert (account.group, account.uid, account.gid) == ("gp", 530, 531)
    assert read_account("") is None


def test_directories_are_made_one_by_one_and_empty_ones_handed_over() -> None:
    said = "directory 0:0 full /data\nabsent - empty /data/primary\ndirectory 0:0 empty /data/mirror\n"
    plan = plan_directories(situation(host("sdw3", directories=said)))
    assert list(states_of(plan)) == ["directory /data/primary", "owner of directory /data/mirror"]
    assert states_of(plan)["directory /data/primary"].undo == "rmdir -- /data/primary"


def test_a_directory_of_somebody_else_with_files_in_it_is_left_alone() -> None:
    said = "directory 0:0 full /data\ndirectory 54321:54321 full /data/primary\nother - full /data/mirror\n"
    plan = plan_directories(situation(host("sdw3", directories=said)))
    assert plan.changes == ()
    assert "is not empty" in problems(plan)
    assert "not a directory" in problems(plan)


def test_software_that_is_missing_is_copied_and_linked() -> None:
    plan = plan_software(situation(host("sdw3", software="")))
    assert list(states_of(plan)) == ["Greenplum at /usr/local/greenplum-db-6.24.3", "link /usr/local/greenplum-db"]


def test_software_of_another_version_is_not_replaced() -> None:
    said = "real /usr/local/greenplum-db-6.20.0\nowner 530:530\nversion postgres (Greenplum Database) 6.20.0\n"
    plan = plan_software(situation(host("sdw3", software=said)))
    assert plan.changes == ()
    assert "6.20.0" in problems(plan)
    right = said.replace("postgres (Greenplum Database) 6.20.0", hosts.VERSION)
    assert plan_software(situation(host("sdw3", software=right))) == PartPlan(part="software")


@pytest.mark.parametrize(
    ("package", "words"), [("/tmp/gp.rpm", "dnf install -y"), ("/tmp/gp.deb", "apt-get install -y")]
)
def test_a_package_is_installed_by_the_distributions_own_program(package: str, words: str) -> None:
    one = situation(host("sdw3", software=""), software_source=SoftwareSource.PACKAGE, software_package=package)
    change = next(iter(states_of(plan_software(one)).values()))
    assert words in change.do
    assert change.undo


def test_files_that_may_not_be_read_are_not_taken_for_absent() -> None:
    hidden = HostFacts(
        "sdw3", {"/etc/ssh/sshd_config": FileState(None, 0o600), "/etc/hosts": FileState(None)}, {}, False
    )
    assert plan_login(situation(hidden)).changes == ()
    assert "only root" in problems(plan_login(situation(hidden)))
    assert "cannot be read" in problems(plan_hosts_file(hidden, ADDRESSES))
