"""One practice cluster for all tests of a process that take it, as new for each file: starting one takes longest."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from sandbox.datacenter import preflight
from sandbox.datacenter.errors import SandboxError
from tests.sandbox.conformance.practice import Practice
from tests.support.afterwards import ended_if_we_are_killed

SIZE = 20
"""Megabytes in database demo: every kind of table, none of them large."""


@pytest.fixture(scope="session")
def practice() -> Iterator[Practice]:
    """A practice cluster that is up.

    ``TEST_SANDBOX`` names the state directory of one to take instead of starting another: for repeating a test quickly.
    """
    if at_hand := os.environ.get("TEST_SANDBOX"):
        taken = Practice(Path(at_hand))
        yield taken
        as_after_up(taken)
        return
    try:
        preflight.check_machine(database=True)
    except SandboxError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="sb-") as directory:  # short: SSH's control sockets lie in it
        made = Practice(Path(directory) / "s")
        with ended_if_we_are_killed(made.command("down", "--purge")):
            try:
                made.up(SIZE)
                made.pristine = True
                yield made
            finally:
                made.down()


def as_after_up(practice: Practice) -> None:
    """Undo whatever was done to it."""
    practice.clear_faults()
    practice.reset()


@pytest.fixture(scope="module", autouse=True)
def each_file_begins_anew(request: pytest.FixtureRequest) -> None:
    """A file whose tests use the practice cluster finds it as after its first start, whatever ran before."""
    file = request.node
    if any("practice" in item.fixturenames for item in request.session.items if item.getparent(pytest.Module) is file):
        practice = request.getfixturevalue("practice")
        if not practice.pristine:
            as_after_up(practice)
        practice.pristine = False


@pytest.fixture(scope="session")
def connect(practice: Practice) -> Callable[..., Any]:
    """Open a psycopg2 connection as a user outside does, over the relay with the password; autocommit is on."""

    def open_one(database: str = "demo", **options: object) -> Any:
        known = json.loads(practice.state.connection.read_text())
        connection = psycopg2.connect(
            host=known["host"],
            port=known["port"],
            user=known["login"],
            password=known["password"],
            dbname=database,
            **options,
        )
        connection.autocommit = True
        return connection

    return open_one


@pytest.fixture(scope="session")
def rows(connect: Callable[..., Any]) -> Callable[..., list[tuple[Any, ...]]]:
    """Run one statement on a connection of its own and return its rows."""

    def run(statement: str, database: str = "demo") -> list[tuple[Any, ...]]:
        with closing(connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return run
