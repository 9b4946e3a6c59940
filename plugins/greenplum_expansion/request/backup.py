"""What is backed up before anything is changed, and where to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, field_validator

from greenplum_expansion.cluster.names import validate_directory
from greenplum_expansion.cluster.patterns import Pattern
from greenplum_expansion.request.section import Section, empty_as_none, field

_BACKUP = "Backup"


class BackupChoice(StrEnum):
    """How much is written away. Catalogs and configuration files are kept with each of them."""

    EVERYTHING = "everything"
    SCHEMA = "schema and settings"
    NONE = "none"


class BackupSection(Section):
    """The backup before the expansion."""

    backup: BackupChoice = field(
        _BACKUP,
        "Backup before the expansion",
        "*everything*: rows, schema, roles, with gpbackup if it is installed, else pg_dump. *schema and settings*: no "
        "rows; right if your own backup is fresh. *none*: only the catalogs' snapshot, which is taken in any case. "
        "The approval says what was chosen.",
        default=BackupChoice.EVERYTHING,
    )
    backup_objects: tuple[str, ...] = field(
        _BACKUP,
        "Back up only these",
        "Whose rows are backed up; empty: all. One a line, as `database`, `database.schema` or "
        '`database.schema.table`; `*` and `?` match, `"…"` around a name with a dot. The schema is kept of everything.',
        default=(),
    )
    backup_directory: Annotated[str | None, BeforeValidator(empty_as_none)] = field(
        _BACKUP,
        "Destination of the backup",
        "Directory on the coordinator, and with gpbackup on each segment host; not below a data directory. "
        "Empty: `greenplum-backups` in the home directory of the cluster's user.",
        default=None,
    )
    backup_jobs: int = field(
        _BACKUP,
        "Tables backed up at a time",
        "Each needs a connection.",
        default=4,
        ge=1,
        le=64,
    )

    @field_validator("backup_objects", mode="before")
    @classmethod
    def _no_objects(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("backup_objects")
    @classmethod
    def _check_objects(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(text.strip() for text in texts if text.strip())
        for text in cleaned:
            Pattern.parse(text)
        return cleaned

    @field_validator("backup_directory")
    @classmethod
    def _check_directory(cls, text: str | None) -> str | None:
        return None if text is None else validate_directory(text)
