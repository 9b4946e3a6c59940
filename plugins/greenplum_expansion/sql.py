"""Every statement sent to a cluster stands in a file of its own; this module finds it by its name.

Where the members of the family need different words, a second file `<name>.<variant>.sql` has those of the newer ones
(cluster/flavors.py says who needs which); a statement without such a file is the same for all.

Two layouts carry the files: a checkout or a copied Airflow home has `include/sql` beside `plugins/`, the installed
wheel has them as package data in `greenplum_expansion/_sql`.
"""

import re
from functools import cache
from pathlib import Path

from greenplum_expansion.errors import ExpansionError

_PACKAGE = Path(__file__).resolve().parent
_NAME = re.compile(r"[a-z0-9_]+")
_VARIANT = re.compile(r"[a-z0-9]*")


@cache
def directory() -> Path:
    """The folder of the statements; raises ExpansionError when neither layout is there."""
    candidates = (_PACKAGE / "_sql", _PACKAGE.parent.parent / "include" / "sql")
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise ExpansionError(
        subject="The SQL statements of greenplum_expansion are missing",
        cause=f"neither {candidates[0]} nor {candidates[1]} exists",
        next_action="copy include/ beside plugins/, or install the wheel built from plugins/",
    )


def names() -> list[str]:
    """The names of all statements, in alphabetical order; variants are not counted."""
    return sorted({path.name.split(".")[0] for path in directory().glob("*.sql")})


def variants(name: str) -> list[str]:
    """The variants of one statement; "" is the one that all take who have none of their own."""
    return sorted(path.name.removeprefix(name).removesuffix("sql").strip(".") for path in directory().glob(f"{name}.*"))


@cache
def load(name: str, variant: str = "") -> str:
    """The statement in `<name>.<variant>.sql`, else in `<name>.sql`, without its comments.

    :param variant: Flavor.sql_variant of the server it is for
    :raises ExpansionError: there is none of that name

    A comment that names a placeholder would be filled like the statement, and a newline in a table's name would end
    it: what stands behind it in the name would be run.
    """
    path = directory() / f"{name}.sql"
    own = directory() / f"{name}.{variant}.sql"
    if _NAME.fullmatch(name) and variant and _VARIANT.fullmatch(variant) and own.is_file():
        path = own
    if not _NAME.fullmatch(name) or not path.is_file():
        raise ExpansionError(
            subject=f"No SQL statement is named {name!r}",
            cause=f"{directory()} has {len(names())} statements and none of that name",
            next_action="correct the name where it is used, or add the file",
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))
