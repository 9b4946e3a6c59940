"""How the pages write things down; all of it ends up in escaped templates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.progress import human_seconds
from greenplum_expansion.planning.windows import parse_zone

_CODE = re.compile(r"`([^`]+)`")
_EMPHASIS = re.compile(r"\*\*([^*]+)\*\*|\*([^*]+)\*")
# No HTML, no links, no images: what tasks ask contains names from clusters and hosts.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])


def inline(text: str) -> Markup:
    """The little Markdown of the request's descriptions: `code`, *emphasis* and **strong**."""
    parts = []
    for number, part in enumerate(_CODE.split(text)):
        if number % 2:
            parts.append(f"<code>{escape(part)}</code>")
        else:
            parts.append(
                _EMPHASIS.sub(
                    lambda found: f"<strong>{found[1]}</strong>" if found[1] else f"<em>{found[2]}</em>",
                    str(escape(part)),
                )
            )
    return Markup("".join(parts))  # every part of it was escaped above


def block(text: str) -> Markup:
    """The Markdown of an approval: headings, lists and tables; markup in it stands there as text."""
    html = _MARKDOWN.render(text)  # html is off, so the renderer escapes what it finds: this markup is its own
    # The corner of a table says nothing, and a header that says nothing is a riddle to a screen reader. Styles inside
    # the markup are forbidden by our own policy.
    return Markup(html.replace("<th></th>", "<td></td>").replace('style="text-align:right"', 'class="number"'))


def moment(value: Any) -> Markup:
    """A point in time, in UTC; pages.js shows it in the zone of the browser."""
    if value is None or value == "":
        return Markup("")
    at = datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value.astimezone(UTC)
    shown = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), shown)


def clock(at: datetime | None, zone: str) -> str:
    """A point in time on the clock of a time zone: "Sat 2026-11-21 03:20"; a dash if there is none."""
    return "–" if at is None else at.astimezone(parse_zone(zone)).strftime("%a %Y-%m-%d %H:%M")


_FORMS = {"day": "%d %b", "day and clock": "%d %b %H:%M", "clock": "%H:%M", "second": "%H:%M:%S"}
"""How a time of an axis is written; pages.js knows them, too."""


def iso(value: float) -> str:
    """Seconds since 1970, for pages.js."""
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")


def short(value: float, form: str) -> str:
    """Seconds since 1970 as a mark of an axis, in UTC; pages.js shows it in the zone of the browser."""
    return datetime.fromtimestamp(value, UTC).strftime(_FORMS[form])


def duration(seconds: float | None) -> str:
    """As people say it; a dash if it is not known."""
    return "–" if seconds is None else human_seconds(seconds).replace(" h 0 min", " h")


def size(count: float | None) -> str:
    """Bytes as people say them."""
    return "–" if count is None else human_bytes(count)


def in_path(text: str) -> str:
    """As one part of a URL's path: ids of runs have ':' and '+'."""
    return quote(text, safe="")


def css_word(text: str) -> str:
    """A state as the name of a class."""
    return re.sub(r"[^a-z]+", "-", text.lower()).strip("-")


def grouped(count: float) -> str:
    """A number of things, alone: "100,000"."""
    return f"{count:,.0f}"


def many(count: int, what: str) -> str:
    """A number of things: "1 table", "100,000 tables"."""
    return f"{grouped(count)} {what}" if count == 1 else f"{grouped(count)} {what}s"
