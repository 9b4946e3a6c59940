"""What differs between the members of the Greenplum family, as data in one place.

Sources: sources of gpexpand 6.24.3, 7 (archive) and Cloudberry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Flavor:
    """One member of the family.

    :param name: as users say it
    :param major: major version, None where the family member counts differently
    :param is_supported: expansions are run on it; otherwise the check refuses, with `refusal` as the reason
    :param refusal: why it is not supported, and what to do instead
    :param has_leaf_storage: ``pg_class.relstorage`` exists (7 and later have access methods instead)
    """

    name: str
    major: int | None
    is_supported: bool
    refusal: str = ""
    has_leaf_storage: bool = False


GREENPLUM_6 = Flavor("Greenplum 6", 6, is_supported=True, has_leaf_storage=True)
UNTRIED = "its gpexpand has not been tried with this version of the tool; expand it by hand, or use a later version"
GREENPLUM_5 = Flavor(
    "Greenplum 5",
    5,
    is_supported=False,
    refusal="its gpexpand takes the database down and works differently; upgrade first",
)
GREENPLUM_7 = Flavor("Greenplum 7", 7, is_supported=False, refusal=UNTRIED)
CLOUDBERRY = Flavor("Cloudberry", None, is_supported=False, refusal=UNTRIED)
MATRIXDB = Flavor("MatrixDB", None, is_supported=False, refusal=UNTRIED)

_GREENPLUM = {flavor.major: flavor for flavor in (GREENPLUM_5, GREENPLUM_6, GREENPLUM_7)}


@dataclass(frozen=True)
class Version:
    """A parsed ``version()``: flavor and full release, such as "6.24.3"."""

    flavor: Flavor
    release: str

    def __str__(self) -> str:
        return f"{self.flavor.name} ({self.release})" if self.release else self.flavor.name


def parse_version(text: str) -> Version | None:
    """Recognise what ``SELECT version()`` returned; None if it is not of the Greenplum family."""
    for flavor, pattern in (
        (MATRIXDB, r"MatrixDB ([0-9.]+)"),
        (CLOUDBERRY, r"(?:Apache )?Cloudberry(?: Database)? ([0-9.]+)"),
    ):
        found = re.search(pattern, text)
        if found:
            return Version(flavor, found.group(1))
    found = re.search(r"Greenplum Database ((\d+)\.[0-9.]*\d)", text)
    if not found:
        return None
    major = int(found.group(2))
    unknown = Flavor(f"Greenplum {major}", major, is_supported=False, refusal=UNTRIED)
    return Version(_GREENPLUM.get(major, unknown), found.group(1))
