"""New hosts, and how the new segments lie on them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator, model_validator

from greenplum_expansion.cluster.names import validate_address, validate_directory, validate_hostname
from greenplum_expansion.request.section import Section, empty_as_none, field

_HOSTS, _PLACES = "New hosts", "Where new segments lie"


class MirroringChoice(StrEnum):
    """How mirrors lie among the new hosts."""

    AS_CLUSTER = "as the cluster"
    GROUPED = "grouped"
    SPREAD = "spread"


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


_OptionalPort = Annotated[int | None, BeforeValidator(empty_as_none)]


class HostsSection(Section):
    """Which hosts are added, and what lies on them."""

    new_hosts: tuple[NewHost, ...] = field(
        _HOSTS,
        "New hosts",
        "One host a line: `name` if the name resolves on the cluster's hosts, else `name=address`. "
        "A mirrored cluster needs at least two. Empty: only existing hosts get segments, see *More primaries*.",
        default=(),
    )
    mirroring: MirroringChoice = field(
        _HOSTS,
        "Mirrors among the new hosts",
        "*grouped*: all mirrors of a host lie on one other host. *spread*: each on another host; "
        "needs more new hosts than primaries a host.",
        default=MirroringChoice.AS_CLUSTER,
    )
    more_primaries: int = field(
        _PLACES,
        "More primaries a host",
        "New hosts get as many primaries as existing ones have. This many more are added on every host, old and new.",
        default=0,
        ge=0,
        le=128,
    )
    primary_directories: tuple[str, ...] = field(
        _PLACES,
        "Directories of primaries",
        "Where data directories are made, one a line, taken in turn by the primaries of a host. "
        "Empty: as on existing hosts. On an existing host the first new primary takes the line behind those it has.",
        default=(),
    )
    mirror_directories: tuple[str, ...] = field(
        _PLACES,
        "Directories of mirrors",
        "The same for the mirrors, in the order of their primaries.",
        default=(),
    )
    first_primary_port: _OptionalPort = field(
        _PLACES,
        "First port of primaries",
        "On new hosts, or of the new primaries if there is no new host; further ones follow. "
        "Empty: the lowest of the existing ones.",
        default=None,
        ge=1024,
        le=65535,
    )
    first_mirror_port: _OptionalPort = field(
        _PLACES, "First port of mirrors", "The same for the mirrors.", default=None, ge=1024, le=65535
    )
    tablespace_locations: tuple[str, ...] = field(
        _PLACES,
        "Directories of tablespaces",
        "For user tablespaces that shall lie elsewhere on new segments, one a line: `tablespace=/directory`. "
        "Others lie as on existing segments.",
        default=(),
    )

    @field_validator("new_hosts", "primary_directories", "mirror_directories", "tablespace_locations", mode="before")
    @classmethod
    def _no_lines(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("primary_directories", "mirror_directories")
    @classmethod
    def _check_directories(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(validate_directory(text) for text in given if text.strip())

    @field_validator("tablespace_locations")
    @classmethod
    def _check_locations(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        lines = tuple(line.strip() for line in given if line.strip())
        names = [_tablespace_location(line)[0] for line in lines]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tablespace {name} is given twice")
        return lines

    @property
    def tablespace_wishes(self) -> dict[str, str]:
        """Directory by name of a tablespace."""
        return dict(_tablespace_location(line) for line in self.tablespace_locations)

    @model_validator(mode="after")
    def _something_is_added(self) -> HostsSection:
        if not self.new_hosts and not self.more_primaries:
            raise ValueError("New hosts: none is named, and no more primaries are asked for; name at least one host")
        return self

    @model_validator(mode="after")
    def _hosts_are_distinct(self) -> HostsSection:
        for what in ("hostname", "address"):
            seen: set[str] = set()
            for host in self.new_hosts:
                value = getattr(host, what).lower()
                if value in seen:
                    raise ValueError(f"new host {what} {value} is given twice; name each host once")
                seen.add(value)
        return self


def _tablespace_location(line: str) -> tuple[str, str]:
    name, separator, path = line.partition("=/")
    if not separator or not name.strip():
        raise ValueError(f"{line!r} is not of the form tablespace=/directory")
    return name.strip(), validate_directory("/" + path)
