"""Who is told of what, while nobody looks at Airflow."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, field_validator

from greenplum_expansion.request.section import Lines, Section, empty_as_none, field

_NOTICES = "Notices"
_CONN_ID = re.compile(r"[\w.-]+")
_ADDRESS = re.compile(r"[^\s@,;:<>\"()\\]+@[A-Za-z0-9.-]+")


class NoticeEvent(StrEnum):
    """What somebody may want to be told of."""

    APPROVAL = "approval waiting"
    NO_RETURN = "point of no return passed"
    WINDOW_OPENED = "window opened"
    WINDOW_CLOSED = "window closed"
    TABLES_FAILED = "tables failed"
    ROLLBACK = "rollback began"
    FINISHED = "finished"
    FAILED = "failed"


class NoticesSection(Section):
    """Whom to tell, over which Airflow connections, and of what."""

    mail_to: Lines = field(
        _NOTICES,
        "Mail to",
        "Addresses, one a line. Empty: no mail is sent.",
        default=(),
    )
    mail_conn_id: str = field(
        _NOTICES,
        "Mail connection",
        "Airflow connection of type *smtp* over which mail is sent; its extra `from_email` is the sender.",
        default="smtp_default",
        min_length=1,
    )
    webhook_conn_id: Annotated[str | None, BeforeValidator(empty_as_none)] = field(
        _NOTICES,
        "Webhook connection",
        "Airflow connection whose host is the URL to which notices are posted as JSON (Slack, Mattermost, a pager). A "
        "token at the end of the URL stands in its password, never here. Empty: nothing is posted.",
        default=None,
    )
    notice_events: tuple[NoticeEvent, ...] = field(
        _NOTICES,
        "What notices tell",
        "A notice that cannot be sent is a warning in the task's log; the expansion goes on.",
        default=tuple(NoticeEvent),
    )

    @field_validator("mail_to")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """A line break or a comma in one would add recipients or headers."""
        stripped = tuple(address.strip() for address in addresses if address.strip())
        for address in stripped:
            if not address.isascii() or not _ADDRESS.fullmatch(address):
                raise ValueError(f"{address!r} is not of the form name@host")
        return stripped

    @field_validator("mail_conn_id", "webhook_conn_id")
    @classmethod
    def _is_a_name(cls, conn_id: str | None) -> str | None:
        """A webhook's URL is a secret, and what is asked for stands in Airflow's pages: it is not repeated here."""
        if conn_id is not None and not _CONN_ID.fullmatch(conn_id):
            raise ValueError(
                "this is no name of an Airflow connection; a URL or a password stands in the connection, never here"
            )
        return conn_id

    @property
    def tells_somebody(self) -> bool:
        """Anybody is to be told of anything."""
        return bool(self.notice_events and (self.mail_to or self.webhook_conn_id))
