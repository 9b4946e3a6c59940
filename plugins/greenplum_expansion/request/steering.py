"""What may be changed while tables move."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, model_validator

from greenplum_expansion.request.section import Section, empty_as_none, field

_STEERING = "Steering"


class SteeringAction(StrEnum):
    """What is to be done."""

    SHOW = "show"
    PAUSE = "pause"
    RESUME = "resume"
    SESSIONS = "sessions"


class SteerRequest(Section):
    """One change, or a look."""

    greenplum_conn_id: str = field(
        _STEERING,
        "Connection",
        "Airflow connection of type *greenplum*; its newest expansion is meant.",
        default="greenplum_default",
        min_length=1,
    )
    action: SteeringAction = field(
        _STEERING,
        "What to do",
        "*show*: how far it is, what moves, what was set. *pause*: no further table begins to move; what is under way "
        "ends as it would. *resume*: they begin again. *sessions*: move so many at a time.",
        default=SteeringAction.SHOW,
    )
    sessions: Annotated[int | None, BeforeValidator(empty_as_none)] = field(
        _STEERING,
        "Tables moved at a time",
        "For *sessions*. Empty: as many as the run was asked for. Each needs disk for a second copy of its table; "
        "the plan's forecast was made for as many as the expansion was asked for.",
        default=None,
        ge=1,
        le=96,
    )

    @model_validator(mode="after")
    def _number_for_sessions(self) -> SteerRequest:
        if self.sessions is not None and self.action is not SteeringAction.SESSIONS:
            raise ValueError(f"'Tables moved at a time' is for *sessions*, not for *{self.action}*; leave it empty")
        return self
