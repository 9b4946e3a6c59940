"""What goes on in the cluster: sessions, long transactions, base backups, other utilities."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.cluster import Replication
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.planning.progress import human_seconds

OWN_APPLICATION = "greenplum_expansion"
LONG_TRANSACTION = 600.0  # seconds
_NAMED = 10  # sessions named in one finding

# What must not run beside an expansion. Those that change the cluster, its catalog or its configuration; backups,
# which hold a lock on every table until they are over, so preparation and moves would wait for them.
CHANGING = (
    *("gpexpand", "gpshrink", "ggrebalance", "gprecoverseg", "gpaddmirrors", "gpmovemirrors", "gpinitstandby"),
    *("gpactivatestandby", "gpinitsystem", "gpstart", "gpstop", "gpdeletesystem", "gppkg", "gpcheckcat", "gpreload"),
    *("gpupgrade", "gpcopy", "gptransfer", "minirepro"),
)
SAVING = (
    "gpbackup",
    "gprestore",
    "gpbackup_helper",
    "pg_dump",
    "pg_dumpall",
    "pg_restore",
    "gpcrondump",
    "gpdbrestore",
)
UTILITIES = (*CHANGING, *SAVING)
# Their sessions, by the application_name they give themselves ("gpbackup_20261120073015").
_APPLICATION = re.compile(rf"(?P<name>{'|'.join(sorted(UTILITIES, key=len, reverse=True))})(?:_\d+|\.bin)?\Z")


@dataclass(frozen=True)
class Session:
    """One session of a client, as ``pg_stat_activity`` tells it.

    :param transaction_seconds: since its transaction began; None outside of one
    :param state: "active", "idle", "idle in transaction"…
    :param words: the first words of what it runs or ran last; values in it may be secrets
    :param changes_catalog: its transaction holds the lock for which gpexpand would wait
    :param connected: since when it is there; with its process that is one session and no other
    """

    pid: int
    role: str
    dbname: str
    application: str
    client: str
    state: str
    transaction_seconds: float | None
    words: str
    is_superuser: bool = False
    changes_catalog: bool = False
    connected: datetime | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Session:
        """From a row of sessions.sql."""
        return cls(
            pid=int(row["pid"]),
            role=str(row["role"] or ""),
            dbname=str(row["dbname"] or ""),
            application=str(row["application_name"] or ""),
            client=str(row["client"] or "local"),
            state=str(row["state"] or ""),
            transaction_seconds=row["transaction_seconds"],
            words=first_words(str(row["query"] or "")),
            is_superuser=bool(row["is_superuser"]),
            changes_catalog=bool(row["changes_catalog"]),
            connected=row["connected"],
        )

    @property
    def is_ours(self) -> bool:
        return self.application.startswith(OWN_APPLICATION)

    @property
    def in_transaction(self) -> bool:
        return self.transaction_seconds is not None

    def __str__(self) -> str:
        since = "" if self.transaction_seconds is None else f" for {human_seconds(self.transaction_seconds)}"
        by = f"{self.role} from {self.client}" + (f" ({self.application})" if self.application else "")
        doing = f": {self.words} …" if self.words else ""
        return f"process {self.pid} of {by} in {self.dbname}, {self.state}{since}{doing}"


def first_words(query: str) -> str:
    """At most two leading words of a statement, comments left out: what it does, without its values."""
    bare = re.sub(r"/\*.*?\*/|--[^\n]*", " ", query, flags=re.DOTALL)
    found = re.match(r"\s*([A-Za-z]+)(?:\s+([A-Za-z]+)\b)?", bare)
    return " ".join(word.upper() for word in found.groups() if word) if found else ""


def in_transactions(sessions: Sequence[Session], protected_roles: Collection[str] = ()) -> list[Session]:
    """Sessions of others that are in a transaction and not protected, the oldest first."""
    found = [s for s in sessions if s.in_transaction and not s.is_ours and s.role not in protected_roles]
    return sorted(found, key=lambda session: -(session.transaction_seconds or 0))


@check("active-sessions", "Sessions at work are known")
def check_sessions(sessions: Sequence[Session], drained: bool, protected_roles: Collection[str] = ()) -> list[Finding]:
    """Preparation waits for each transaction that has changed a catalog, and later for the readers of every
    partitioned table; each move waits for the readers and writers of its table, and whoever comes behind waits, too.

    :param drained: the request says that open transactions are waited for or ended before preparation
    :param protected_roles: whose transactions are neither, and are told all the same
    """
    findings = []
    for working, goes_on in _parted(in_transactions(sessions), drained, protected_roles):
        what = "before preparation they are waited for or ended"
        if goes_on:
            what = "preparation may have to wait for them"
        findings.append(Finding.note("sessions", f"{len(working)} in a transaction ({what}): {_named(working)}"))
    return findings


@check("long-transactions", "No transaction is open for long")
def check_long_transactions(
    sessions: Sequence[Session], drained: bool, protected_roles: Collection[str] = ()
) -> list[Finding]:
    """A transaction open for more than ten minutes is seldom over soon, often forgotten by its client.

    gpexpand waits for it without limit and without a word: in preparation, if it has changed a catalog; before a
    partitioned table or a move, if it has touched that table.
    """
    findings = []
    for session in in_transactions(sessions):
        if (session.transaction_seconds or 0) < LONG_TRANSACTION:
            continue
        remedy = f"end it with SELECT pg_terminate_backend({session.pid})"
        if session.role in protected_roles:
            problem = f"its transaction is open for long, and its role is protected: {session}"
            remedy = "let it end before the approval: it is neither waited for nor ended"
            findings.append(Finding.warning(f"session {session.pid}", problem, remedy))
        elif drained:
            findings.append(Finding.note(f"session {session.pid}", f"its transaction is open for long: {session}"))
        else:
            findings.append(
                Finding.warning(
                    f"session {session.pid}",
                    f"its transaction is open for long: {session}",
                    f"{remedy}, or let the request wait for sessions or end them",
                )
            )
    return findings


@check("catalog-changes", "No open transaction has changed a catalog")
def check_catalog_changes(
    sessions: Sequence[Session], drained: bool, protected_roles: Collection[str] = ()
) -> list[Finding]:
    """Whoever created, altered or dropped something, a temporary table too, holds a lock until the transaction ends.

    gpexpand asks for the same lock alone (``gp_expand_lock_catalog``) and waits for all of them without limit. From the
    moment it waits, every other change of a catalog fails with "gpexpand in progress, catalog changes are
    disallowed": so one forgotten transaction stops all such work in the cluster until it ends.
    """
    holding = [session for session in in_transactions(sessions) if session.changes_catalog]
    return [
        Finding.warning(
            "sessions",
            f"{len(waiting)} in a transaction that has changed a catalog; preparation waits for its end, and nobody "
            f"else can change a catalog meanwhile: {_named(waiting)}",
            "let them commit: their roles are protected, so they are neither waited for nor ended"
            if drained
            else "let them commit, or let the request wait for sessions or end them",
        )
        for waiting, goes_on in _parted(holding, drained, protected_roles)
        if goes_on
    ]


@check("base-backup", "No base backup is being taken")
def check_base_backup(replication: Sequence[Replication]) -> list[Finding]:
    """pg_basebackup copies a server, for a standby or mirror (gprecoverseg -F, gpinitstandby) or for a backup.

    gpexpand takes one of the coordinator for its template, and refuses segments of which one is being taken. A second
    one beside it doubles the load, and one for a mirror means that the cluster is not whole.
    """
    running = sorted({row.content for row in replication if "basebackup" in row.application or row.state == "backup"})
    return [
        Finding.error(
            "coordinator" if content == -1 else f"content {content}",
            "a base backup of it is being taken",
            "wait until it is over (gp_stat_replication shows none), try again",
        )
        for content in running
    ]


@dataclass(frozen=True)
class Utility:
    """A utility at work.

    :param where: "process 4711 on mdw", "session 123 of backup_role from 10.0.0.9"
    """

    name: str
    where: str


@check("other-utilities", "No other utility works on the cluster")
def check_utilities(utilities: Sequence[Utility]) -> list[Finding]:
    """Processes on the coordinator, and sessions from anywhere by the name of their application.

    Utilities that change the cluster, its catalog or its configuration and an expansion would undo each other's work.
    Backups hold a lock on every table until they end: preparation and every move would wait.
    """
    findings = []
    for utility in utilities:
        why = "it holds a lock on every table it saves" if utility.name in SAVING else "it changes the cluster"
        findings.append(
            Finding.error(
                utility.name,
                f"it is running ({utility.where}), and {why}",
                "wait until it is over, or end it; try again",
            )
        )
    return findings


def utilities_in_sessions(sessions: Sequence[Session]) -> list[Utility]:
    """Utilities that tell by their sessions' application_name, each once: gpbackup opens many."""
    found: dict[tuple[str, str], Utility] = {}
    for session in sessions:
        match = _APPLICATION.match(session.application)
        if match and not session.is_ours:
            where = f"session {session.pid} of {session.role} from {session.client}"
            found.setdefault((match.group("name"), session.application), Utility(match.group("name"), where))
    return list(found.values())


def utility_of(command: Sequence[str]) -> str | None:
    """Name of the utility that a process is, by its command line; None if it is none of them.

    Its own name, or that of the script an interpreter runs; anything further behind may be any argument.
    """
    names = [word.rsplit("/", 1)[-1] for word in command[:3]]
    if not names:
        return None
    if names[0] in UTILITIES:
        return names[0]
    if re.match(r"(python|bash|sh)[0-9.]*\Z", names[0]):
        return next(
            (
                name
                for name, word in zip(names[1:], command[1:], strict=False)
                if name in UTILITIES and not word.startswith("-")
            ),
            None,
        )
    return None


def _parted(
    sessions: Sequence[Session], drained: bool, protected_roles: Collection[str]
) -> list[tuple[Sequence[Session], bool]]:
    """Sessions apart by whether they go on when preparation begins; only groups in which there is one."""
    if not drained:
        return [(sessions, True)] if sessions else []
    ending = [session for session in sessions if session.role not in protected_roles]
    staying = [session for session in sessions if session.role in protected_roles]
    return [(group, goes_on) for group, goes_on in ((ending, False), (staying, True)) if group]


def _named(sessions: Sequence[Session]) -> str:
    more = f" and {len(sessions) - _NAMED} more" if len(sessions) > _NAMED else ""
    return "; ".join(map(str, sessions[:_NAMED])) + more
