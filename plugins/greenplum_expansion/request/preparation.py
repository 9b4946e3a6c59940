"""What is made ready on the new hosts, by whom, and how far it may go."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, field_validator, model_validator

from greenplum_expansion.cluster.names import validate_directory
from greenplum_expansion.request.section import Section, empty_as_none, field

_PREPARATION = "Preparing the new hosts"


class PreparationPart(StrEnum):
    """What of a new host is prepared, in the order in which it is done."""

    HOSTNAME = "hostname"
    HOSTS_FILE = "hosts file"
    KERNEL = "kernel parameters"
    LIMITS = "limits"
    HUGE_PAGES = "huge pages"
    SELINUX = "SELinux"
    FIREWALL = "firewall"
    TIME = "time"
    LOGIN = "login settings"
    BLOCK_DEVICES = "block devices"
    ACCOUNT = "account"
    DIRECTORIES = "directories"
    SOFTWARE = "software"
    REBOOT = "reboot"


class FirewallChoice(StrEnum):
    """What is done about a firewall that is active on a new host."""

    OPEN = "open the cluster's ports"
    OFF = "switch off"
    LEAVE = "leave"


class SoftwareSource(StrEnum):
    """Where a new host gets Greenplum from, if it has none."""

    TREE = "copy of the coordinator's installation"
    PACKAGE = "package file on the coordinator"


# Everything that makes a host like the existing ones and can be taken back from what was saved. Two are left out: a new
# name and a reboot would be felt at once by whatever else lives at an address that was mistyped.
DEFAULT_PARTS = tuple(
    part for part in PreparationPart if part not in (PreparationPart.HOSTNAME, PreparationPart.REBOOT)
)


class PreparationSection(Section):
    """How the new hosts become like the existing ones."""

    preparation_parts: tuple[PreparationPart, ...] = field(
        _PREPARATION,
        "What is prepared",
        "Each part looks at the existing hosts and at the new one, and changes what differs; nothing on a host that is "
        "ready. What a file held before is saved on its host. *hostname* and *reboot* (only if something needs it) are "
        "left out unless chosen. With *Only look* all of it is shown and nothing done.",
        default=DEFAULT_PARTS,
    )
    preparation_user: str = field(
        _PREPARATION,
        "User who prepares",
        "Logs into the new hosts with the connection's key, through the coordinator. Other users than root need sudo "
        "without a password. Needed only where something has to be changed.",
        default="root",
        pattern=r"^[a-z_][a-z0-9_.-]{0,31}$",
    )
    firewall: FirewallChoice = field(
        _PREPARATION,
        "Firewall of a new host",
        "*open the cluster's ports*: for the cluster's hosts only, the ports of its servers and those that the "
        "interconnect takes. *leave*: rules are made by others, the checks only tell if they are in the way.",
        default=FirewallChoice.OPEN,
    )
    software_source: SoftwareSource = field(
        _PREPARATION,
        "Where Greenplum comes from",
        "For new hosts without it. A copy goes from the coordinator to the new host and is compared file by file; "
        "a package also brings the libraries that it depends on, if the host can reach its repositories.",
        default=SoftwareSource.TREE,
    )
    software_package: Annotated[str | None, BeforeValidator(empty_as_none)] = field(
        _PREPARATION,
        "Package file",
        "Path on the coordinator of the `.rpm` or `.deb` to install; only for *package file on the coordinator*.",
        default=None,
    )

    @field_validator("preparation_parts", mode="before")
    @classmethod
    def _no_parts(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("preparation_parts")
    @classmethod
    def _in_order(cls, parts: tuple[PreparationPart, ...]) -> tuple[PreparationPart, ...]:
        return tuple(part for part in PreparationPart if part in parts)

    @field_validator("software_package")
    @classmethod
    def _check_package(cls, path: str | None) -> str | None:
        if path is None:
            return None
        path = validate_directory(path)  # the same rules: absolute, plain characters
        if not path.endswith((".rpm", ".deb")):
            raise ValueError(f"{path!r} is neither an .rpm nor a .deb")
        return path

    @model_validator(mode="after")
    def _package_is_named(self) -> PreparationSection:
        if self.software_source is SoftwareSource.PACKAGE and self.software_package is None:
            raise ValueError("software is to come from a package, but no package file is named; name it")
        return self
