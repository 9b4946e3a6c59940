"""How soon each page is seen, how much of it is sent, and what one look of a page that is open costs: 100,000 tables.

    python -m benchmarks.pages
    python -m benchmarks.pages --tables 1000 --loads 3

Two API servers (one process each, SQLite, as `airflow api-server` starts) serve the same clusters: in one a run moves
100,000 tables, in the other 100. A real browser (Debian's Chromium) loads every page of both in turn, so whatever else
the machine does slows both down; the ratio says what the tables cost.

- *first paint*: first contentful paint as the browser measures it, from the request on; median of several loads with
  the static files in its cache. *cold*: the first load of a browser that has nothing, static files included.
- *whole*: until the last part has come that the page asks for by itself, likewise median: list of tables, findings.
- *document*: bytes of the page itself, as they come over the wire (gzip). *all*: with static files and all parts, cold.
- *of few*: first paint over that with 100 tables. Goals: first paint 0.5 s, all 200 kB.
- *one look*: what a page that is open asks for every five seconds: milliseconds of a request on a connection that is
  open (median), bytes, and statements sent to Airflow's database, Airflow's own for the login among them. *a search*:
  the same for the list of tables while somebody leafs through it; *the list anew*: when some of it has changed.

The first request after the server's start pays for making our app; it is printed by itself and counts for no page.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.api_server import ApiServer

TABLES, FEW, LOADS, LOOKS = 100_000, 100, 7, 21
PAINT_GOAL, BYTES_GOAL = 0.5, 200_000  # seconds; bytes, static files included
ROOT = Path(__file__).resolve().parent.parent
SHOWN = (
    "clusters", "moving", "waiting", "over", "tables that did not move", "rollback",
    "meaning", "hosts", "places", "tables", "review",
)  # fmt: skip
"""Of the views in tests/pages/views.py, those that a page is opened with."""

ASKED = {
    "one look": ("/live", False),
    "a search": ("/tables?search=000", False),
    "the list anew": ("/tables?search=000", True),
}
"""What a page that is open asks for, and whether a table has moved each time before."""

_MEASURE = """async () => {
  const painted = await new Promise((tell) => new PerformanceObserver((list) => {
    const [paint] = list.getEntriesByName("first-contentful-paint");
    if (paint) tell(paint);
  }).observe({ type: "paint", buffered: true }));
  const [page] = performance.getEntriesByType("navigation"), parts = performance.getEntriesByType("resource");
  return {
    paint: painted.startTime / 1000,
    whole: Math.max(page.responseEnd, ...parts.map((part) => part.responseEnd)) / 1000,
    document: page.transferSize,
    all: parts.reduce((sum, part) => sum + part.transferSize, page.transferSize),
  };
}"""


@dataclass(frozen=True)
class Load:
    """One load of a page: seconds and bytes, as in the module's docstring."""

    paint: float
    whole: float
    document: int
    all: int


@dataclass(frozen=True)
class Measured:
    """One page: a load of a browser that has nothing, the median of others, and the same with few tables."""

    name: str
    cold: Load
    paint: float
    whole: float
    paint_of_few: float

    @property
    def meets_the_goal(self) -> bool:
        return max(self.paint, self.cold.paint) <= PAINT_GOAL and self.cold.all <= BYTES_GOAL

    def line(self) -> str:
        """As it is printed."""
        times = f"{self.paint:>8.2f} s{self.cold.paint:>8.2f} s{self.whole:>8.2f} s"
        ratios = f"{self.paint / self.paint_of_few:>8.2f}{self.cold.paint / PAINT_GOAL:>8.2f}"
        sizes = f"{self.cold.document / 1000:>8.1f} kB{self.cold.all / 1000:>8.1f} kB{self.cold.all / BYTES_GOAL:>8.2f}"
        return f"{self.name:<26}{times}{ratios}{sizes}"


_COLUMNS = (("paint", 10), ("cold", 10), ("whole", 10), ("of few", 8), ("of goal", 8), ("document", 11), ("all", 11))
HEADINGS = " " * 26 + "".join(f"{title:>{width}}" for title, width in (*_COLUMNS, ("of goal", 8)))


@dataclass(frozen=True)
class Look:
    """One request of a page that is open: its address, and what its answer took and weighed."""

    asked: str
    seconds: float
    size: int


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; exit code 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.pages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=TABLES, help=f"how many ({TABLES})")
    parser.add_argument("--loads", type=int, default=LOADS, help=f"of each page ({LOADS})")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as directory:
        _settle(Path(directory))
        from tests.support.browsing import NoBrowser, a_browser

        try:
            with served(Path(directory), given.tables) as (many, few), a_browser() as browser:
                missed = _run(browser, many, few, given)
        except NoBrowser as error:
            print(error, file=sys.stderr)
            return 2
    print(f"Goals: {'missed by ' + ', '.join(missed) if missed else 'met'}")
    return bool(missed)


def _run(browser: Browser, many: ApiServer, few: ApiServer, given: argparse.Namespace) -> list[str]:
    print(f"{given.tables:,} tables, beside {FEW}; {os.cpu_count()} processors", flush=True)
    print(f"first request after the start: {first_request(many):.2f} s (not counted below)")
    first_request(few)
    print(HEADINGS, flush=True)
    missed = []
    for name in SHOWN:
        page = measure(browser, name, many, few, given.loads)
        print(page.line(), flush=True)
        missed += [] if page.meets_the_goal else [page.name]
    for name, (path, changes) in ASKED.items():
        looks = [look(server, path, changes=changes) for server in (many, few)]
        ratio = looks[0].seconds / looks[1].seconds
        print(
            f"{name:<26}{looks[0].seconds * 1000:>8.1f} ms, {ratio:.2f} of few; {looks[0].size:,} bytes; "
            f"{statements(looks[0].asked)} statements"
        )
    return missed


@contextmanager
def served(directory: Path, tables: int) -> Iterator[tuple[ApiServer, ApiServer]]:
    """Two servers that answer: with so many tables, whose database this process has, too; and with few."""
    from airflow.utils import db

    from tests.pages.scenes import BEGAN, Stage
    from tests.pages.seeding import Seeds
    from tests.support.api_server import ApiServer

    homes = [directory / "many", directory / "few"]
    for home in homes:
        home.mkdir()
    db.initdb()
    few = ApiServer(homes[1])
    Stage(Seeds(few.session, BEGAN), FEW).fill()
    Stage(Seeds(began=BEGAN), tables).fill()
    many = ApiServer(homes[0])
    with many.running(), few.running():
        many.wait()
        few.wait()
        yield many, few


def measure(browser: Browser, name: str, many: ApiServer, few: ApiServer, loads: int) -> Measured:
    """One page at both servers, in turn."""
    with ExitStack() as seats:
        load_many, load_few = (seats.enter_context(seat(browser, server, name)) for server in (many, few))
        cold = load_many()
        load_few()
        pairs = [(load_many(), load_few()) for _ in range(loads)]
    return Measured(
        name=name,
        cold=cold,
        paint=median(load.paint for load, _ in pairs),
        whole=median(load.whole for load, _ in pairs),
        paint_of_few=median(load.paint for _, load in pairs),
    )


@contextmanager
def seat(browser: Browser, server: ApiServer, name: str) -> Iterator[Callable[[], Load]]:
    """Somebody who loads one page again and again, at first with nothing in the browser's cache."""
    from tests.pages.views import PAGES
    from tests.support.browsing import somebody

    with somebody(browser, server.base_url, "op", server.password("op")) as person:

        def load() -> Load:
            person.page.goto("about:blank")
            PAGES[name](person)
            return Load(**person.page.evaluate(_MEASURE))

        yield load


def first_request(server: ApiServer) -> float:
    """Seconds until the first page of a server that has just been started."""
    began = time.perf_counter()
    _client(server).get("/greenplum/clusters").raise_for_status()
    return time.perf_counter() - began


def look(server: ApiServer, part: str, *, changes: bool = False) -> Look:
    """What the page of the run that moves tables asks for while it is open."""
    client, base = _client(server), "/greenplum/runs/greenplum_expand/moving"
    page = client.get(base).raise_for_status().text
    seen = dict(re.findall(r'<input name="(asks|over|version)" value="([^"]*)">', page))
    asked = httpx.URL(base + part).copy_merge_params(seen if part == "/live" else {})
    client.get(asked).raise_for_status()
    seconds, sizes = [], set()
    for _ in range(LOOKS):
        if changes:
            _move_a_table(server)
        began = time.perf_counter()
        answer = client.get(asked).raise_for_status()
        seconds.append(time.perf_counter() - began)
        sizes.add(answer.num_bytes_downloaded)
    return Look(str(asked), median(seconds), max(sizes))


def _move_a_table(server: ApiServer) -> None:
    """The part of the list where tables move now has been left anew."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import func, update

    with server.session() as session:
        middle = session.query(func.count()).where(XComModel.run_id == "moving", XComModel.key.like("moved.%")).scalar()
        touched = (XComModel.run_id == "moving", XComModel.key == f"moved.{middle // 2}")
        session.execute(update(XComModel).where(*touched).values(timestamp=datetime.now(UTC)))


def statements(asked: str) -> int:
    """Sent to the database by one request, with the app in this process."""
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.settings import engine
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from sqlalchemy import event

    from greenplum_expansion.pages.app import make_app

    outer = FastAPI()
    outer.mount("/greenplum", make_app())
    client = TestClient(outer)
    client.cookies.set("_token", init_auth_manager().generate_jwt(SimpleAuthManagerUser(username="op", role="op")))
    client.get(asked).raise_for_status()  # whatever is done once
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    client.get(asked).raise_for_status()
    event.remove(engine, "before_cursor_execute", note)
    return len(sent)


def _client(server: ApiServer) -> httpx.Client:
    client = httpx.Client(base_url=server.base_url, timeout=600)
    given: Mapping[str, str] = {"username": "op", "password": server.password("op")}
    token = client.post("/auth/token", json=given).raise_for_status().json()["access_token"]
    client.cookies.set("_token", token)
    return client


def _settle(home: Path) -> None:
    """An Airflow home of this process's own, before anything imports Airflow."""
    os.environ.update(
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",  # else it makes up a password, and prints it
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db",
        AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR",
        AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
    )


if __name__ == "__main__":
    sys.exit(main())
