"""All a user may ask for: the single source of the trigger form, the REST API's checks and the wizard's.

Everything but the new hosts has a default; what is not asked for is read from the cluster itself.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from greenplum_expansion.cluster.names import validate_address, validate_hostname
from greenplum_expansion.errors import InvalidRequest


class MirroringChoice(StrEnum):
    """How mirrors lie among the new hosts."""

    AS_CLUSTER = "as the cluster"
    GROUPED = "grouped"
    SPREAD = "spread"


class TableOrder(StrEnum):
    """In which order tables are moved, behind the important ones."""

    LARGEST_FIRST = "largest first"
    SMALLEST_FIRST = "smallest first"


class Proof(StrEnum):
    """What is compared before and after."""

    CHECKSUMS = "rows and checksums"
    ROWS = "rows"


class NewHost(BaseModel):
    """A segment host to add: its name in the cluster, and the address by which it is reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hostname: str
    address: str
    host_key: str | None = None
    """Expected SSH host key ("ssh-ed25519 AAAA…"); without it the key is taken on first sight and reported."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any) -> Any:
        """Accept "sdw3=10.0.0.3" and plain "sdw3", as one types them into the form."""
        if isinstance(data, str):
            hostname, separator, address = data.partition("=")
            data = {"hostname": hostname.strip(), "address": address.strip() if separator else hostname.strip()}
        elif isinstance(data, dict) and "address" not in data:
            data = {**data, "address": data.get("hostname")}
        return data

    @field_validator("hostname")
    @classmethod
    def _check_hostname(cls, text: str) -> str:
        return validate_hostname(text)

    @field_validator("address")
    @classmethod
    def _check_address(cls, text: str) -> str:
        return validate_address(text)


Request = TypeVar("Request", bound=BaseModel)


def _empty_as_none(value: Any) -> Any:
    return None if value == "" else value


CONNECTION, HOSTS, SAFETY, TABLES = "Cluster", "New hosts", "Safety", "Moving the tables"


def _field(section: str, title: str, description: str, **constraints: Any) -> Any:
    return Field(title=title, description=description, json_schema_extra={"section": section}, **constraints)


class ExpansionRequest(BaseModel):
    """One expansion, as asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    new_hosts: tuple[NewHost, ...] = _field(
        HOSTS,
        "New hosts",
        "One host a line: `name` if the name resolves on the cluster's hosts, else `name=address`. "
        "A mirrored cluster needs at least two. Greenplum must be installed on them.",
        min_length=1,
    )
    mirroring: MirroringChoice = _field(
        HOSTS,
        "Mirrors among the new hosts",
        "*grouped*: all mirrors of a host lie on one other host. *spread*: each on another host; "
        "needs more new hosts than primaries a host.",
        default=MirroringChoice.AS_CLUSTER,
    )
    greenplum_conn_id: str = _field(
        CONNECTION,
        "Connection",
        "Airflow connection of type *greenplum* to the cluster to be expanded.",
        default="greenplum_default",
        min_length=1,
    )
    approval: bool = _field(
        SAFETY,
        "Ask a person for approval",
        "The run waits until somebody approves the plan under *Required Actions*. "
        "Switch off only for unattended runs: after the next step the expansion cannot be undone.",
        default=True,
    )
    roll_back_on_failure: bool = _field(
        SAFETY,
        "Roll back on failure",
        "If adding the segments fails while that can still be undone, `greenplum_rollback` puts the cluster back.",
        default=True,
    )
    proof: Proof = _field(
        SAFETY,
        "Proof",
        "What is compared for each table before and after. Checksums read every row twice; "
        "rows alone are counted, which is quicker.",
        default=Proof.CHECKSUMS,
    )
    expect_writes: bool = _field(
        SAFETY,
        "The cluster is written to meanwhile",
        "If applications insert, update or delete during the expansion, rows and checksums change for good reason: "
        "differences are then reported as warnings instead of failing the run.",
        default=False,
    )
    clean_up: bool = _field(
        SAFETY,
        "Clean up at the end",
        "Remove gpexpand's schema after the proof. Its table list is kept in the report's directory.",
        default=True,
    )
    parallel_moves: int = _field(
        TABLES,
        "Tables moved at a time",
        "Each needs two connections, and disk for a second copy of its table.",
        default=4,
        ge=1,
        le=96,
    )
    build_batch_size: int = _field(
        TABLES,
        "Hosts worked on at a time",
        "How many new segments gpexpand builds at a time (its option -B).",
        default=16,
        ge=1,
        le=128,
    )
    important_tables: tuple[str, ...] = _field(
        TABLES,
        "Important tables",
        "Moved first, in this order. One a line, as `schema.table` or `database.schema.table`; `*` and `?` match.",
        default=(),
    )
    order: TableOrder = _field(
        TABLES,
        "Order of the others",
        "*largest first* is soonest done as a whole; *smallest first* frees disk space soonest.",
        default=TableOrder.LARGEST_FIRST,
    )
    analyze: bool = _field(
        TABLES,
        "ANALYZE each table",
        "After its move, while it still occupies its place in the queue (gpexpand's option -a).",
        default=False,
    )

    @field_validator("important_tables", mode="before")
    @classmethod
    def _no_tables(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("important_tables")
    @classmethod
    def _check_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(pattern.strip() for pattern in patterns if pattern.strip())
        for pattern in cleaned:
            if "." not in pattern:
                raise ValueError(f"{pattern!r} names no schema; write schema.table")
        return cleaned

    @model_validator(mode="after")
    def _hosts_are_distinct(self) -> ExpansionRequest:
        for what in ("hostname", "address"):
            seen: set[str] = set()
            for host in self.new_hosts:
                value = getattr(host, what).lower()
                if value in seen:
                    raise ValueError(f"new host {what} {value} is given twice; name each host once")
                seen.add(value)
        return self


class RollbackRequest(BaseModel):
    """Which expansion to take back; filled in by the failed expansion, or by hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    greenplum_conn_id: str = _field(
        CONNECTION, "Connection", "Airflow connection of type *greenplum*.", default="greenplum_default", min_length=1
    )
    expansion_id: Annotated[str | None, BeforeValidator(_empty_as_none)] = _field(
        CONNECTION,
        "Expansion",
        "Name of its directory below `~/greenplum-expansions` on the coordinator. Empty: the newest one.",
        default=None,
        pattern=r"^[A-Za-z0-9_.-]+$",
    )


def parse_request(model: type[Request], conf: dict[str, Any]) -> Request:
    """Validate what came from the form, the API or the command line.

    :raises InvalidRequest: one error that names every wrong field, in the words of the form
    """
    try:
        return model.model_validate(conf)
    except ValidationError as error:
        problems = "; ".join(_say(model, detail) for detail in error.errors())
        raise InvalidRequest("The request", problems, "correct it and trigger again") from None


def _say(model: type[BaseModel], detail: Any) -> str:
    location = [str(part) for part in detail["loc"]]
    field = model.model_fields.get(location[0]) if location else None
    label = field.title if field and field.title else ".".join(location)
    message = detail["msg"].removeprefix("Value error, ")
    return f"{label}: {message}" if label else message
