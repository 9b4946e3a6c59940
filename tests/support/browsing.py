"""A person at a browser, as far as the pages need one: every step waits for what it shows, none for time to pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

PATIENCE = 600_000  # ms; only so that a hang ends
PICTURE_HEIGHT = 1150
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],  # the others are only counted: a quarter of the time
    "preload": False,
}


class NoBrowser(Exception):
    """There is none on this machine; `python3 tools/bootstrap.py --browser` brings one."""


@contextmanager
def a_browser() -> Iterator[Browser]:
    """One for several people.

    While it is open no test of the process may run a loop of its own (asyncio): playwright's goes on in its thread.

    :raises NoBrowser: this machine has none
    """
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        raise NoBrowser(NoBrowser.__doc__)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def somebody(
    browser: Browser, base_url: str, user: str, password: str, *, dark: bool = False, width: int = 1280
) -> Iterator[Person]:
    """Somebody who is logged in, with nothing left of whoever sat there before.

    :param dark: how their system is set
    """
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-GB", timezone_id="UTC"
    )
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    token = context.request.post(f"{base_url}/auth/token", data={"username": user, "password": password})
    context.add_cookies([{"name": "_token", "value": token.json()["access_token"], "url": base_url}])
    try:
        yield Person(context.new_page(), base_url)
    finally:
        context.close()


@contextmanager
def browsing(base_url: str, user: str, password: str, *, dark: bool = False, width: int = 1280) -> Iterator[Person]:
    """Somebody who is logged in, at a browser of their own.

    :raises NoBrowser: this machine has none
    """
    with a_browser() as browser, somebody(browser, base_url, user, password, dark=dark, width=width) as person:
        yield person


class Person:
    """Does what a person does, and notes what a browser complains about."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        self.base_url = base_url
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', 'nowhere')})")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.base_url, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def open(self, path: str) -> None:
        """One of our pages, by itself."""
        self.page.goto(f"{self.base_url}/greenplum{path}")

    def button(self, name: str, within: Locator | None = None) -> Locator:
        """By the words on it."""
        return (within or self.page).get_by_role("button", name=name, exact=True)

    def barriers(self) -> list[str]:
        """What axe finds against accessibility on the page as it is; empty if nothing."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate("rules => axe.run(document, rules).then(found => found.violations)", _RULES)
        return [f"{one['id']}: {one['help']} {[node['html'][:100] for node in one['nodes'][:3]]}" for one in found]

    def beside_the_window(self) -> int:
        """Pixels that one must scroll to the side for."""
        scrolled: int = self.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return scrolled

    def picture(self, folder: Path | None, name: str) -> None:
        """The upper part of the page; kept only if somebody wants pictures."""
        if folder is None:
            return
        height = min(PICTURE_HEIGHT, self.page.evaluate("document.documentElement.scrollHeight"))
        width = self.page.viewport_size["width"] if self.page.viewport_size else 1280
        clip = {"x": 0, "y": 0, "width": width, "height": height}
        self.page.screenshot(path=folder / f"{name}.png", full_page=True, clip=clip)  # type: ignore[arg-type]
        # It leaves empty styles, which htmx would copy to what it puts there, against the pages' policy.
        self.page.evaluate("document.querySelectorAll('[style=\"\"]').forEach(e => e.removeAttribute('style'))")

    # --- what people do ----------------------------------------------------------------------------------------------

    def look_at_cluster(self, conn_id: str) -> Locator:
        """From the page of the clusters; returns its card, when something was seen."""
        self.open("/clusters")
        card = self.page.locator("section.card").filter(has=self.page.get_by_role("heading", name=conn_id))
        self.button("Look now", card).click()
        expect(card).to_contain_text("all instances up")
        return card

    def add_hosts(self, hosts: Sequence[str]) -> None:
        """In the wizard, several at once; returns when all were looked at."""
        self.page.locator("#add").fill(", ".join(hosts))
        self.button("Add").click()
        for host in hosts:
            card = self.page.locator(".host").filter(has_text=host)
            expect(card.locator(".tag").first).to_contain_text("looking")
        expect(self.page.locator("#looks .tag.running")).to_have_count(0)

    def next_step(self, title: str) -> None:
        """By the keyboard: the form is sent by Enter in its button."""
        self.button("Next").press("Enter")
        expect(self.page.locator("#step-title")).to_have_text(title)
        expect(self.page.locator("#step-title")).to_be_focused()

    def choose(self, values: Mapping[str, Any]) -> None:
        """In fields of the step, by their names in the request; what is folded away is opened."""
        closed = self.page.locator("#step details:not([open]) > summary")
        while closed.count():
            closed.first.click()
        for name, value in values.items():
            field = self.page.locator(f"#f-{name}")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(str(value))
            elif isinstance(value, bool):
                field.set_checked(value)
            else:
                field.fill(str(value))

    def draft(self) -> dict[str, Any]:
        """What the browser has kept."""
        kept = self.page.evaluate("() => localStorage.getItem('greenplum-expansion-draft')")
        return json.loads(kept) if kept else {}

    def expand(self) -> str:
        """From the review; returns the id of the run."""
        self.page.locator("[data-expand=expand]").click()
        self.page.wait_for_url("**/runs/**")
        return self.page.locator(".head .quiet").inner_text().split(",")[0]

    def phase(self, title: str) -> Locator:
        """A phase of the page of a run."""
        return self.page.locator(".phase").filter(has=self.page.get_by_text(title, exact=True))
