"""Look again and again who is in a transaction."""

from __future__ import annotations

from typing import Any

from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.cluster_facts import read_sessions
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.sessions import waited_for
from greenplum_expansion.triggers.polling import Look, PollingTrigger


class SessionsDrainedTrigger(PollingTrigger):
    """Fires ``{"drained", "waiting"}`` when nobody who is waited for is in a transaction, or patience is over.

    Only looks, with one query; ends nobody.

    :param protected_roles: roles whose sessions do not count
    :param timing: the other parameters of `PollingTrigger`
    """

    def __init__(self, greenplum_conn_id: str, protected_roles: list[str], **timing: float) -> None:
        super().__init__(greenplum_conn_id, **timing)
        self.protected_roles = protected_roles

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Names and numbers only."""
        path, parameters = super().serialize()
        return path, {**parameters, "protected_roles": self.protected_roles}

    def look(self) -> Look:
        """Who is waited for; a coordinator that does not answer counts as one that is at work."""
        try:
            sessions = waited_for(read_sessions(GreenplumHook(self.greenplum_conn_id)), self.protected_roles)
        except ExpansionError as error:
            return _seen([str(error)], [str(error)])
        return _seen([str(session) for session in sessions], [str(session.pid) for session in sessions])


def _seen(waiting: list[str], subjects: list[str]) -> Look:
    words = f"Waiting for: {'; '.join(waiting) or 'nobody'}"
    return Look(not waiting, words, subjects, {"drained": not waiting, "waiting": waiting})
