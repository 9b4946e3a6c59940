"""Cancelling and ending sessions of others."""

from __future__ import annotations

from greenplum_expansion.checks.activity import Session
from greenplum_expansion.hooks.greenplum import GreenplumHook


def cancel_session(hook: GreenplumHook, session: Session) -> bool:
    """Cancel what it runs; its client gets an error and keeps the connection.

    :return: False if it was gone, out of its transaction or not the same session any more
    """
    return _signal(hook, "cancel_session", session)


def end_session(hook: GreenplumHook, session: Session) -> bool:
    """End it: its transaction is rolled back, its client has to connect again. :return: as cancel_session."""
    return _signal(hook, "end_session", session)


def _signal(hook: GreenplumHook, statement: str, session: Session) -> bool:
    rows = hook.query(statement, {"pid": session.pid, "connected": session.connected})
    return bool(rows and rows[0]["done"])
