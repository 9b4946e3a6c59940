"""gpexpand's input file: one line for each new instance.

Format of Greenplum 6, 7 and Cloudberry: ``hostname|address|port|datadir|dbid|content|preferred_role``; the colons that
``gpexpand --help`` shows are refused by gpexpand itself. Source: gpexpand 6.24.3, ``parseutils.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenplum_expansion.cluster.names import validate_address, validate_directory, validate_hostname

_FIELDS = 7


@dataclass(frozen=True)
class NewInstance:
    """One line: a primary ('p') or mirror ('m') that gpexpand shall build."""

    hostname: str
    address: str
    port: int
    datadir: str
    dbid: int
    content: int
    preferred_role: str

    @property
    def is_primary(self) -> bool:
        return self.preferred_role == "p"

    def to_line(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        fields = (self.hostname, address, self.port, self.datadir, self.dbid, self.content, self.preferred_role)
        return "|".join(map(str, fields))

    def __str__(self) -> str:
        return f"{'primary' if self.is_primary else 'mirror'} of content {self.content} on {self.hostname}:{self.port}"


def render(instances: Iterable[NewInstance]) -> str:
    """The file's text, each content's primary directly before its mirror, as gpexpand's interview writes it."""
    ordered = sorted(instances, key=lambda i: (i.content, not i.is_primary))
    return "".join(f"{instance.to_line()}\n" for instance in ordered)


def parse(text: str) -> tuple[NewInstance, ...]:
    """Read a file's text; ValueError names the line, what is wrong with it and what was expected."""
    instances = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != _FIELDS:
            raise ValueError(
                f"line {number}: expected {_FIELDS} fields separated by '|', found {len(fields)}: {line!r}"
            )
        try:
            instances.append(_instance(fields))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return tuple(instances)


def _instance(fields: Sequence[str]) -> NewInstance:
    hostname, address, port, datadir, dbid, content, role = fields
    if role not in ("p", "m"):
        raise ValueError(f"preferred role is {role!r}, must be p or m")
    numbers = {}
    for name, text in (("port", port), ("dbid", dbid), ("content", content)):
        if not text.isascii() or not text.isdigit():
            raise ValueError(f"{name} is {text!r}, must be a number")
        numbers[name] = int(text)
    return NewInstance(
        hostname=validate_hostname(hostname),
        address=validate_address(address),
        datadir=validate_directory(datadir),
        preferred_role=role,
        **numbers,
    )
