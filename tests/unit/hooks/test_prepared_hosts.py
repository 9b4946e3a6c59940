"""Which manifests an expansion has left where: none is forgotten when what it did is taken back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks import preparation
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.preparation import ROOT_DIRECTORY, note_prepared, undo_preparation
from greenplum_expansion.hooks.remote import RemoteHost
from greenplum_expansion.preparation.manifest import Undone, UndoOutcome

HOME = "/home/gpadmin/.greenplum-expansion"


class Coordinator:
    """Files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}

    def exists(self, path: str) -> bool:
        return path in self.files

    def read_json(self, path: str) -> Any:
        return self.files[path]

    def write_json(self, path: str, value: Any) -> None:
        self.files[path] = value

    def run(self, command: list[str], check: bool = True) -> Any:
        return SimpleNamespace(stdout="".join(f"{path.rpartition('/')[2]}\n" for path in self.files))


def host(name: str, user: str) -> RemoteHost:
    return cast(RemoteHost, SimpleNamespace(hostname=name, address=name, user=user, close=lambda: None))


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> ExpansionDirectory:
    """One whose hosts undo whatever a manifest holds: one change each, named by who and where."""
    coordinator = Coordinator()

    class Prepared:
        def __init__(self, host: RemoteHost, expansion_id: str, kept_in: str) -> None:
            self.host, self.kept_in = host, kept_in

        def undo(self) -> list[UndoOutcome]:
            return [UndoOutcome(self.host.hostname, f"{self.host.user} in {self.kept_in}", Undone.PUT_BACK)]

    def log_in_as_root(hook: Any, name: str, address: str, user: str, host_key: str | None) -> RemoteHost:
        if name == "sdw4":
            raise RemoteError("SSH to sdw4", "it does not answer", "look")
        return host(name, user)

    monkeypatch.setattr(preparation, "PreparedHost", Prepared)
    monkeypatch.setattr(preparation, "log_in_as_root", log_in_as_root)
    hook = SimpleNamespace(coordinator=lambda: coordinator, host=lambda name, address, host_key: host(name, "gpadmin"))
    made = SimpleNamespace(hook=hook, path="/x", expansion_id="x", file=lambda name: f"/x/{name}", ensure=lambda: None)
    return cast(ExpansionDirectory, made)


def test_a_host_prepared_without_root_and_then_with_it_is_taken_back_in_both_places(
    directory: ExpansionDirectory,
) -> None:
    note_prepared(directory, host("sdw3", "gpadmin"), "key", HOME)
    note_prepared(directory, host("sdw3", "root"), "key", ROOT_DIRECTORY)
    note_prepared(directory, host("sdw3", "root"), "key", ROOT_DIRECTORY)  # by the next task
    assert [outcome.subject for outcome in undo_preparation(directory)] == [
        f"root in {ROOT_DIRECTORY}",
        f"gpadmin in {HOME}",
    ]


def test_a_place_that_cannot_be_reached_is_told_and_the_others_are_taken_back(directory: ExpansionDirectory) -> None:
    note_prepared(directory, host("sdw4", "gpadmin"), None, HOME)
    note_prepared(directory, host("sdw4", "root"), None, ROOT_DIRECTORY)
    told = [(outcome.subject, outcome.outcome) for outcome in undo_preparation(directory)]
    assert told == [
        (f"all changes kept in {ROOT_DIRECTORY}", Undone.LEFT),
        (f"gpadmin in {HOME}", Undone.PUT_BACK),
    ]
