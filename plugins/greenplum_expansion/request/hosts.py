"""New hosts, and how the new segments lie on them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from greenplum_expansion.cluster.names import validate_address, validate_hostname
from greenplum_expansion.request.section import Section, field

_HOSTS = "New hosts"


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


class HostsSection(Section):
    """Which hosts are added, and what lies on them."""

    new_hosts: tuple[NewHost, ...] = field(
        _HOSTS,
        "New hosts",
        "One host a line: `name` if the name resolves on the cluster's hosts, else `name=address`. "
        "A mirrored cluster needs at least two. Greenplum must be installed on them.",
        min_length=1,
    )
    mirroring: MirroringChoice = field(
        _HOSTS,
        "Mirrors among the new hosts",
        "*grouped*: all mirrors of a host lie on one other host. *spread*: each on another host; "
        "needs more new hosts than primaries a host.",
        default=MirroringChoice.AS_CLUSTER,
    )

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
