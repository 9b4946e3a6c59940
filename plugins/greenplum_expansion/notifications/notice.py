"""What a notice says, in the forms its readers get it: a mail, a chat, a program. Pure.

Names of tables and the words of errors come from the cluster. They are escaped for each reader: in HTML, in chat
markup (where ``<!channel>`` would call everybody), and kept on one line in a subject, where a line break would begin a
header.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.request import NoticeEvent

_SUBJECT = 150  # characters
_FACT = 500
_FACTS = 25


@dataclass(frozen=True)
class Notice:
    """One thing that has happened.

    :param cluster: the Airflow connection, as people know the cluster
    :param expansion: its id; empty if none was found
    :param title: what has happened, in a few words
    :param facts: what belongs to it, a line each
    :param next_action: what the reader does now; empty if nothing
    :param link: to the run in Airflow's UI
    """

    event: NoticeEvent
    cluster: str
    expansion: str
    title: str
    facts: tuple[str, ...]
    next_action: str
    link: str

    @property
    def subject(self) -> str:
        return _one_line(f"Greenplum expansion of {self.cluster}: {self.title}", _SUBJECT)

    @property
    def lines(self) -> list[str]:
        """The body, a line each, as it is."""
        facts = [_one_line(fact, _FACT) for fact in self.facts[:_FACTS]]
        if len(self.facts) > _FACTS:
            facts.append(f"and {len(self.facts) - _FACTS} more")
        return [*facts, *([f"Next: {_one_line(self.next_action, _FACT)}"] if self.next_action else [])]

    def to_html(self) -> str:
        """For a mail."""
        body = "".join(f"<p>{html.escape(line)}</p>" for line in self.lines)
        link = html.escape(self.link)
        expansion = f"<p>Expansion {html.escape(self.expansion)}</p>" if self.expansion else ""
        return f'<h3>{html.escape(self.subject)}</h3>{body}<p><a href="{link}">{link}</a></p>{expansion}'

    def to_chat(self) -> str:
        """For Slack, Mattermost and their like: nobody is called by a name that looks like a mention."""
        said = "\n".join([self.subject, *self.lines])
        said = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
        return f"{said}\n{self.link}"

    def to_payload(self) -> dict[str, Any]:
        """For a webhook: ``text`` is what chats show, the rest is for programs."""
        return {
            "text": self.to_chat(),
            "event": self.event.value,
            "cluster": self.cluster,
            "expansion": self.expansion,
            "title": self.title,
            "facts": list(self.facts[:_FACTS]),
            "next": self.next_action,
            "link": self.link,
        }


def _one_line(text: str, length: int) -> str:
    """Without line breaks and control characters, and not longer than that."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else line[: length - 1] + "…"
