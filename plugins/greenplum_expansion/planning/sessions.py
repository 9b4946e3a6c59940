"""Whose open transactions keep an expansion waiting, and who of them may be ended.

What gpexpand waits for (6.24.3 and 7: ``gp_expand_lock_catalog`` in src/backend/utils/misc/gpexpand.c): each
transaction that changes a row of a catalog (DDL, temporary tables, GRANT; not ANALYZE) takes a lock of its own in mode
AccessShare and keeps it to its end; gpexpand asks for it in mode AccessExclusive, so it waits for all of these, without
limit and without a word. While it waits, nobody else gets the lock: others do not queue, they fail at once with
"gpexpand in progress, catalog changes are disallowed". Readers and writers of tables are not concerned here, but
further on: ``EXPAND PARTITION PREPARE`` and every move wait for those who have touched the table, and whoever wants the
table then waits behind them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from greenplum_expansion.checks.activity import Session, in_transactions

# Seconds. In a busy cluster somebody is in a transaction at every moment; one that young has not been waited for yet.
BRIEF = 2.0


def waited_for(sessions: Sequence[Session], protected_roles: Collection[str]) -> list[Session]:
    """Those in a transaction, the oldest first; not ours, not protected, no brief one that has changed no catalog."""
    return [
        session
        for session in in_transactions(sessions, protected_roles)
        if session.changes_catalog or (session.transaction_seconds or 0.0) >= BRIEF
    ]


def may_be_ended(sessions: Sequence[Session], protected_roles: Collection[str]) -> list[Session]:
    """Those waited for that are no superuser's: who maintains the cluster knows why, and is only waited for."""
    return [session for session in waited_for(sessions, protected_roles) if not session.is_superuser]
