"""A real API server with clusters in every state, and people at a real browser before it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the tests of the pages need the packages of requirements-dev.txt")
from playwright.sync_api import Browser

from tests.pages.scenes import BEGAN, Stage
from tests.pages.seeding import Seeds
from tests.support.api_server import ApiServer
from tests.support.browsing import NoBrowser, Person, a_browser, somebody


@dataclass(frozen=True)
class Served:
    """A server, and what it serves."""

    server: ApiServer
    stage: Stage

    @property
    def seeds(self) -> Seeds:
        return self.stage.seeds


@pytest.fixture(scope="session")
def served(database: None) -> Iterator[Served]:
    """With a hundred thousand tables; filled while it starts. A test that changes a run makes one of its own."""
    with tempfile.TemporaryDirectory(prefix="airflow-") as directory:
        server = ApiServer(Path(directory))
        with server.running():
            stage = Stage(Seeds(server.session, BEGAN))
            stage.fill()
            server.wait()
            yield Served(server, stage)


@pytest.fixture(scope="module")
def below_prefix(served: Served) -> Iterator[ApiServer]:
    """The same, reached below a path, as behind a proxy that serves other things, too."""
    with tempfile.TemporaryDirectory(prefix="airflow-") as directory:
        server = ApiServer(Path(directory), prefix="/some/prefix", like=served.server)
        with server.running():
            server.wait()
            yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One a file: it may not be open while other files run loops of their own."""
    try:
        with a_browser() as opened:
            yield opened
    except NoBrowser as error:
        pytest.skip(str(error))


@pytest.fixture
def person_of(browser: Browser, served: Served) -> Iterator[Callable[..., Person]]:
    """Somebody by name of the user, at this server or the other one."""
    with ExitStack() as everybody:

        def come(user: str = "op", server: ApiServer = served.server, **options: object) -> Person:
            return everybody.enter_context(somebody(browser, server.base_url, user, server.password(user), **options))

        yield come


@pytest.fixture
def person(person_of: Callable[..., Person]) -> Person:
    """The operator."""
    return person_of()
