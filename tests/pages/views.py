"""Every page in every state, shown to somebody at a browser, over what `tests.pages.scenes` has left."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.pages.scenes import MOVING, NEW, OVER
from tests.support.browsing import Person

DRAFT = {"greenplum_conn_id": OVER, "new_hosts": ["sdw5", "sdw6=10.0.0.6", "sdw7.example.com"], "parallel_moves": 8}
Show = Callable[[Person], None]
"""Opens a page; returns when all of it is there."""


def run(dag_id: str, run_id: str, *parts: str) -> Show:
    """The page of a run, when all these parts are there."""

    def show(person: Person) -> None:
        person.open(f"/runs/{dag_id}/{run_id}")
        for part in parts:
            expect(person.page.locator(part).first).to_be_visible()

    return show


def step(key: str, ready: str, **changed: Any) -> Show:
    """A step of the wizard with a draft that is right, but for what is changed."""

    def show(person: Person) -> None:
        draft = json.dumps({"step": key, "draft": {**DRAFT, **changed}})
        person.page.add_init_script(f"localStorage.setItem('greenplum-expansion-draft', {json.dumps(draft)})")
        person.open("/wizard")
        expect(person.page.locator(ready).first).to_be_visible()

    return show


def wrong(key: str, said: str, **changed: Any) -> Show:
    """The same, sent on although something is not right; all choices are open then."""

    def show(person: Person) -> None:
        step(key, "#step-title", **changed)(person)
        person.button("Next").click()
        expect(person.page.locator("#wrong")).to_contain_text(said)
        person.choose({})

    return show


def refused(path: str, user: str, words: str) -> Show:
    """A page that this user does not get."""

    def show(person: Person) -> None:
        if user == "nobody":
            person.page.context.clear_cookies()
        person.open(path)
        expect(person.page.get_by_role("heading", level=1)).to_have_text(words)

    return show


def clusters(person: Person) -> None:
    person.open("/clusters")
    expect(person.page.locator("section.card").first).to_be_visible()


PAGES = {
    "clusters": clusters,
    "moving": run("greenplum_expand", "moving", "#tables tbody tr", "#found h2", ".chart", "#live section > table"),
    "waiting": run("greenplum_expand", "waiting", "#question textarea", "#question pre", "#found h2"),
    "over": run("greenplum_expand", "over", "#report-title", "#tables tbody tr"),
    "tables that did not move": run(
        "greenplum_expand", "stuck", "#failed-title", "#live section > table", "#tables tbody tr"
    ),
    "failed": run("greenplum_expand", "failed", "#failed-title", "#found h2"),
    "rollback": run("greenplum_rollback", "back", ".phase.done"),
    "a look": run("greenplum_look", f"look-at-{OVER}", ".phase.done", "#found h2"),
    "meaning": step("meaning", "#f-greenplum_conn_id"),
    "hosts": step("hosts", "#looks .tag.error"),
    "no hosts": wrong("hosts", "name at least one host", new_hosts=[]),
    "places": step("places", ".rack.new"),
    "wrong places": wrong("places", "1024", first_primary_port=80),
    "places of an unknown cluster": step("places", "[data-look]", greenplum_conn_id=NEW),
    "tables": step("tables", "#preview .forecast"),
    "wrong windows": wrong("tables", "is no window", windows=["at night"]),
    "review": step("review", "#preview .forecast"),
    "wrong review": step("review", "#wrong", windows=["at night"]),
    "review of a cluster that moves": step("review", "[data-expand=expand]", greenplum_conn_id=MOVING),
    "nobody": refused("/clusters", "nobody", "Please log in"),
    "no permission": refused("/wizard", "viewer", "This needs another permission"),
    "no such run": refused("/runs/greenplum_expand/none", "op", "There is no such page"),
}
