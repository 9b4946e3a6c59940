"""What a host says about itself: texts of its files and what commands printed. Read by hooks/preparation.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class FileState:
    """A file that is there.

    :param text: None if it may not be read by who looked
    :param mode: permissions, as in ``0o644``
    :param owner: numeric ids, ``uid:gid``
    """

    text: str | None
    mode: int = 0o644
    owner: str = "0:0"


class Family(StrEnum):
    """Distributions that keep their files in the same places."""

    REDHAT = "redhat"
    DEBIAN = "debian"
    OTHER = "other"


_FAMILIES = {
    **dict.fromkeys(("rhel", "centos", "rocky", "ol", "almalinux", "fedora", "amzn", "kylin", "anolis"), Family.REDHAT),
    **dict.fromkeys(("debian", "ubuntu", "uos"), Family.DEBIAN),
}


@dataclass(frozen=True)
class OperatingSystem:
    """A distribution as /etc/os-release names it; `release` is the major version, 0 where there is none."""

    identifier: str
    family: Family
    release: int
    name: str


@dataclass(frozen=True)
class HostFacts:
    """One host at one moment.

    :param files: only those that exist, by path
    :param said: what each probe printed, by its name in probes.py; a probe that failed has printed nothing
    :param as_root: whether root looked; what only root may see is missing otherwise
    """

    hostname: str
    files: Mapping[str, FileState] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    as_root: bool = True

    def text(self, path: str) -> str | None:
        """Text of a file; None if it is not there or may not be read."""
        state = self.files.get(path)
        return state.text if state else None

    def lines(self, probe: str) -> list[str]:
        """What a probe printed, without empty lines."""
        return [line for line in self.said.get(probe, "").splitlines() if line.strip()]

    def word(self, probe: str) -> str:
        """What a probe printed, blanks made one; empty if nothing."""
        return " ".join(self.said.get(probe, "").split())

    def pairs(self, probe: str) -> dict[str, str]:
        """Lines ``key rest of line`` by key."""
        found = (line.partition(" ") for line in self.lines(probe))
        return {key: " ".join(rest.split()) for key, _, rest in found}

    def texts_in(self, directory: str, suffix: str) -> list[tuple[str, str]]:
        """Readable files of a drop-in directory, in the order in which programs read them: by name, in C order."""
        found = [
            (path, state.text)
            for path, state in self.files.items()
            if path.startswith(f"{directory}/") and path.endswith(suffix) and state.text is not None
        ]
        return sorted(found)

    @property
    def system(self) -> OperatingSystem:
        return read_os_release(self.text("/etc/os-release") or "")

    @property
    def units(self) -> dict[str, Unit]:
        """Services that are installed, by name without ``.service``."""
        found = {}
        for line in self.lines("units"):
            name, enabled, active = [*line.split("|"), "", ""][:3]
            if enabled not in ("", "not-found"):
                found[name] = Unit(name, enabled.strip(), active.strip())
        return found


@dataclass(frozen=True)
class Unit:
    """A service of systemd, in the words of ``is-enabled`` and ``is-active``."""

    name: str
    enabled: str
    active: str

    @property
    def is_active(self) -> bool:
        return self.active in ("active", "activating", "reloading")

    @property
    def starts_at_boot(self) -> bool:
        return self.enabled in ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")


def read_os_release(text: str) -> OperatingSystem:
    """From the text of /etc/os-release; an empty one gives an unknown system."""
    values = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith("#"):
            values[key] = value.strip().strip("\"'")
    identifier = values.get("ID", "").lower()
    likes = [identifier, *values.get("ID_LIKE", "").lower().split()]
    family = next((_FAMILIES[like] for like in likes if like in _FAMILIES), Family.OTHER)
    number = re.match(r"\d+", values.get("VERSION_ID", ""))
    name = values.get("PRETTY_NAME") or values.get("NAME") or "unknown system"
    return OperatingSystem(identifier, family, int(number.group()) if number else 0, name)


@dataclass(frozen=True)
class Agreement:
    """Whether hosts say the same: `value` if all that say anything do, else None; `differing` shows each host's."""

    value: str | None
    differing: str = ""


def agreement(values: Iterable[tuple[str, str | None]]) -> Agreement:
    """Of ``(hostname, value)``; None means that a host says nothing, and does not count."""
    said = [(host, value) for host, value in values if value is not None]
    distinct = {value for _, value in said}
    if len(distinct) == 1:
        return Agreement(said[0][1])
    return Agreement(None, ", ".join(f"{host}: {value}" for host, value in said))
