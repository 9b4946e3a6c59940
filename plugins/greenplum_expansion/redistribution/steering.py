"""What a person sets while tables move: kept in the cluster, so that it outlives tasks, windows and runs of Airflow.

Table ``expansion_history.expand_control`` in database postgres has a row a change, with who made it and when; of an
expansion the newest row holds. It lies in the cluster and not in a file on the coordinator, as the direct engine looks
every two seconds and has a session there anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.redistribution.control import ReadControl
from greenplum_expansion.redistribution.direct.mover import Control
from greenplum_expansion.redistribution.history import APPLICATION
from greenplum_expansion.request import SteeringAction


@dataclass(frozen=True)
class Steering:
    """What holds now.

    :param sessions: moves at a time; None: as many as the run was asked for
    :param changed_by: who has set it, as the audit says; empty: nobody has
    """

    paused: bool = False
    sessions: int | None = None
    changed_by: str = ""
    changed_at: str = ""

    def changed(self, action: SteeringAction, sessions: int | None) -> Steering:
        """As it is after this action."""
        if action is SteeringAction.PAUSE:
            return replace(self, paused=True)
        if action is SteeringAction.RESUME:
            return replace(self, paused=False)
        if action is SteeringAction.SESSIONS:
            return replace(self, sessions=sessions)
        return self

    @property
    def control(self) -> Control:
        """As the engine wants it."""
        return Control(paused=self.paused, sessions=self.sessions)

    def __str__(self) -> str:
        so_many = "as many tables at a time as asked for" if self.sessions is None else f"{self.sessions} at a time"
        said = f"{'paused' if self.paused else 'not paused'}, {so_many}"
        return f"{said}; set by {self.changed_by}, {self.changed_at}" if self.changed_by else said


def read_steering(hook: GreenplumHook, expansion_id: str) -> Steering:
    """What holds now; :raises RemoteError: the cluster does not answer."""
    with hook.connected(SCHEMA_DATABASE) as connection:
        return look_at_steering(hook, expansion_id, connection)


def look_at_steering(hook: GreenplumHook, expansion_id: str, connection: Any) -> Steering:
    """The same over an open session to database postgres."""
    if not hook.query("control_exists", connection=connection)[0]["there"]:
        return Steering()
    return _read(hook, expansion_id, connection)


def control_reader(hook: GreenplumHook, expansion_id: str) -> ReadControl:
    """For the engine: asks over the session it is given, once the history has been opened."""
    return lambda connection: _read(hook, expansion_id, connection).control


def write_steering(hook: GreenplumHook, expansion_id: str, action: SteeringAction, wanted: Steering, who: str) -> None:
    """Let it hold from now on, and keep who said so."""
    with hook.connected(SCHEMA_DATABASE, application_name=APPLICATION) as connection:
        hook.query("create_history", connection=connection)
        given = {"expansion_id": expansion_id, "changed_by": who, "action": action.value}
        values = {"paused": wanted.paused, "sessions": wanted.sessions}
        hook.query("write_control", given | values, connection=connection)


def _read(hook: GreenplumHook, expansion_id: str, connection: Any) -> Steering:
    rows = hook.query("read_control", {"expansion_id": expansion_id}, connection=connection)
    return Steering(**rows[0]) if rows else Steering()
