"""What is done about sessions of others before the catalog is locked."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import field_validator

from greenplum_expansion.request.section import Section, field

_SESSIONS = "Sessions and catalog check"
_LONGEST_ROLE = 63  # bytes of a name in the catalog


class SessionsChoice(StrEnum):
    """What happens to open transactions just before the segments are added."""

    GO_ON = "go on"
    WAIT = "wait"
    END = "end"


class CatalogCheck(StrEnum):
    """How thoroughly gpcheckcat looks."""

    QUICK = "quick"
    FULL = "full"
    SKIP = "skip"


class SessionsSection(Section):
    """Open transactions, before which gpexpand would wait without limit, and gpcheckcat."""

    sessions: SessionsChoice = field(
        _SESSIONS,
        "Open transactions",
        "Adding segments waits, without limit, for every transaction that has changed a catalog, and all others cannot "
        "change one meanwhile. *go on*: leave it at that; the checks name them. *wait*: first wait until nobody is in "
        "a transaction. *end*: cancel and end those who are. Superusers, and the roles below, are never ended.",
        default=SessionsChoice.GO_ON,
    )
    protected_roles: tuple[str, ...] = field(
        _SESSIONS,
        "Protected roles",
        "Their sessions are neither waited for nor ended. One a line, exactly as in `pg_roles`.",
        default=(),
    )
    sessions_patience: int = field(
        _SESSIONS,
        "Patience for open transactions, in minutes",
        "After that the run fails, naming those it waits for; nothing has been changed then.",
        default=120,
        ge=1,
        le=10080,
    )
    catalog_check: CatalogCheck = field(
        _SESSIONS,
        "gpcheckcat",
        "*quick*: the tests meant for a cluster in use (`gpcheckcat -O`). *full*: all tests; hours where there are "
        "hundreds of thousands of tables. *skip*: none. It drops temporary schemas without a session on its way.",
        default=CatalogCheck.QUICK,
    )

    @field_validator("protected_roles", mode="before")
    @classmethod
    def _no_roles(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("protected_roles")
    @classmethod
    def _check_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(role.strip() for role in roles if role.strip())
        for role in cleaned:
            if not role.isprintable() or len(role.encode()) > _LONGEST_ROLE:
                raise ValueError(f"{role!r} is not the name of a role (at most 63 bytes, no line breaks)")
        return cleaned
