"""What differs between the members of the Greenplum family, as data in one place.

Where releases of one member differ, the installed gpexpand decides: `GpexpandOptions` holds what it knows.
Sources: sources of Greenplum 6.24.3, 7.0.0, 7 (archive) and Cloudberry; manuals of 5, 6, 7 and MatrixDB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Support(StrEnum):
    """What this tool does with a member of the family."""

    PROVED = "proved"
    """Whole expansions of a real cluster were run and proven."""
    READ = "read in its sources, not run"
    """Expansions are run; the findings say that none was proven by us."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Flavor:
    """One member of the family.

    :param name: as users say it
    :param major: major version, None where the family member counts differently
    :param postgres: version of PostgreSQL its catalogs come from, as libpq numbers it (90400 is 9.4, 120000 is 12)
    :param reservation: why it is refused, or what is unproven, and what to do
    :param moves_children_with_parents: gpexpand says ``EXPAND TABLE`` without ``ONLY``: tables that inherit from the
        named one move with it
    :param finds_leaves_in_root_schema: gpexpand looks for each leaf partition in the schema of its root
    :param builds_beside_writes: first release whose new segments start although others committed distributed
        transactions while they were built; None if none is known to. With any earlier one preparation fails: "the limit
        of 0 distributed transactions has been reached" (recording 41, greenplum-db/gpdb#17346 and #17408 of May 2024,
        apache/cloudberry#1800 of June 2026)
    """

    name: str
    major: int | None
    postgres: int
    support: Support
    reservation: str = ""
    moves_children_with_parents: bool = True
    finds_leaves_in_root_schema: bool = False
    builds_beside_writes: tuple[int, ...] | None = None

    @property
    def is_supported(self) -> bool:
        """Expansions are run on it; otherwise the check refuses, with the reservation as the reason."""
        return self.support is not Support.REFUSED

    @property
    def sql_variant(self) -> str:
        """Which variant of a statement it takes, where there are several (sql.load)."""
        return sql_variant(self.postgres)


UNKNOWN = "its gpexpand is not known to this version of the tool; expand it by hand, or use a later version"
GREENPLUM_5 = Flavor(
    "Greenplum 5",
    5,
    80300,
    Support.REFUSED,
    "its gpexpand takes the database down, keeps its list in a database of choice and makes every table random; "
    "upgrade to Greenplum 6 or 7 first, or expand it by hand",
)
GREENPLUM_6 = Flavor(
    "Greenplum 6",
    6,
    90400,
    Support.PROVED,
    moves_children_with_parents=False,
    finds_leaves_in_root_schema=True,
    builds_beside_writes=(6, 28),
)
GREENPLUM_7 = Flavor("Greenplum 7", 7, 120000, Support.PROVED, builds_beside_writes=(7, 3))
CLOUDBERRY = Flavor(
    "Cloudberry",
    None,
    140000,
    Support.READ,
    "its gpexpand was compared with Greenplum 7's in its sources only; no expansion of Cloudberry was run by us",
)
MATRIXDB = Flavor(
    "MatrixDB",
    None,
    120000,
    Support.REFUSED,
    "it leaves randomly distributed tables where they are and has states of its own (PENDING, RETRYING, FAILED), so "
    "nothing could be proven; expand it with its own tool",
)

FAMILY = (GREENPLUM_5, GREENPLUM_6, GREENPLUM_7, CLOUDBERRY, MATRIXDB)
_GREENPLUM = {flavor.major: flavor for flavor in FAMILY if flavor.major}

_VARIANTS = ((120000, "gp7"),)
"""From which PostgreSQL on a statement's variant is taken: access methods and declarative partitions came with 12."""


def sql_variant(server_version: int) -> str:
    """The variant of statements for a server; "" for the oldest catalogs supported.

    :param server_version: as libpq numbers it; every connection knows it without asking
    """
    return next((variant for first, variant in _VARIANTS if server_version >= first), "")


@dataclass(frozen=True)
class Version:
    """A parsed ``version()``: flavor and full release, such as "6.24.3"."""

    flavor: Flavor
    release: str

    def __str__(self) -> str:
        return f"{self.flavor.name} ({self.release})" if self.release else self.flavor.name

    @property
    def builds_beside_writes(self) -> bool:
        """New segments are known to start although others wrote while they were built."""
        since = self.flavor.builds_beside_writes
        return since is not None and tuple(int(part) for part in self.release.split(".") if part) >= since


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
    unknown = Flavor(f"Greenplum {major}", major, 0, Support.REFUSED, UNKNOWN)
    return Version(_GREENPLUM.get(major, unknown), found.group(1))


_OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")
_NEEDED = ("-i", "-B", "-t", "-n", "-a", "-r", "-c")


@dataclass(frozen=True)
class GpexpandOptions:
    """The options that an installed gpexpand knows.

    :param known: each in every spelling, as ``-t`` and ``--tardir``
    """

    known: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> GpexpandOptions:
        """From its help and the lines that declare its options: the help alone is older than the program (6, 7)."""
        return cls(frozenset(_OPTION.findall(text)))

    @property
    def missing(self) -> tuple[str, ...]:
        """Options that this tool needs and this gpexpand does not have."""
        return tuple(option for option in _NEEDED if option not in self.known)

    @property
    def progress(self) -> tuple[str, ...]:
        """What makes it measure tables and record their moves.

        The newest releases of 6 and 7 do so only if asked, the others unless told not to (``-S``); in Greenplum 5
        ``-D`` means a database.
        """
        return ("--detailed-progress",) if "--detailed-progress" in self.known else ()
