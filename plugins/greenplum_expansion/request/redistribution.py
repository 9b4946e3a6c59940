"""What may be asked of greenplum_redistribute when somebody triggers it; its schedule asks for nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, field_validator, model_validator

from greenplum_expansion.planning.windows import FOREVER, Window, parse_zone
from greenplum_expansion.request.expansion import ExpansionRequest
from greenplum_expansion.request.section import Lines, Section, empty_as_none, field
from greenplum_expansion.request.tables import Engine, TableOrder, clean_patterns
from greenplum_expansion.request.windows import Moment, MovedBy, parse_moment

_EXPANSION, _TIME, _TABLES = "Expansion", "How long", "What, and how"


class EngineChoice(StrEnum):
    """What moves the tables in this run."""

    AS_ASKED = "as in the expansion"
    DIRECT = "direct"
    GPEXPAND = "gpexpand"


class OrderChoice(StrEnum):
    """Whether they are ranked anew before it."""

    AS_RANKED = "as they are ranked"
    LARGEST_FIRST = "largest first"
    SMALLEST_FIRST = "smallest first"
    JOINED_TOGETHER = "joined tables together"


class RedistributeRequest(Section):
    """Everything has a default: what the expansion itself was asked for."""

    greenplum_conn_id: str = field(
        _EXPANSION,
        "Connection",
        "Airflow connection of type *greenplum*; its newest expansion is meant.",
        default="greenplum_default",
        min_length=1,
    )
    minutes: Annotated[int | None, BeforeValidator(empty_as_none)] = field(
        _TIME,
        "For so many minutes",
        "From the start of this run; what is under way then may go on for the expansion's grace. Empty, like the next "
        "field: until all have moved. Runs of the schedule last as long as their window.",
        default=None,
        ge=1,
        le=60 * 24 * 30,
    )
    until: Moment = field(
        _TIME,
        "Until",
        "`2026-11-28 06:00`, on the clock of the expansion's time zone, instead of minutes.",
        default=None,
    )
    only_tables: Lines = field(
        _TABLES,
        "Only these tables",
        "One a line, as `schema.table` or `database.schema.table`; `*` and `?` match. Empty: all that are left, also "
        "if the expansion was asked for some only.",
        default=(),
    )
    parallel_moves: Annotated[int | None, BeforeValidator(empty_as_none)] = field(
        _TABLES,
        "Tables moved at a time",
        "Empty: as in the expansion, or as set by `greenplum_steer`. Each needs disk for a second copy of its table.",
        default=None,
        ge=1,
        le=96,
    )
    engine: EngineChoice = field(
        _TABLES,
        "What moves the tables",
        "*direct* or *gpexpand*; one can take over from the other.",
        default=EngineChoice.AS_ASKED,
    )
    order: OrderChoice = field(
        _TABLES,
        "Order",
        "Anything but *as they are ranked* writes new ranks before the first move; they hold for later runs, too.",
        default=OrderChoice.AS_RANKED,
    )

    @field_validator("only_tables")
    @classmethod
    def _check_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return clean_patterns(patterns)

    @model_validator(mode="after")
    def _one_end(self) -> RedistributeRequest:
        if self.minutes is not None and self.until is not None:
            raise ValueError("it ends after 'For so many minutes' or at 'Until', not both")
        if self.only_tables and self.engine is EngineChoice.GPEXPAND:
            raise ValueError("'Only these tables' needs *direct*: gpexpand moves all it has listed")
        return self

    def window(self, start: datetime, zone: str) -> Window:
        """When this run may begin to move tables, if somebody triggered it.

        :param zone: of the expansion, for a moment without an offset
        """
        end = FOREVER
        if self.minutes is not None:
            end = start + timedelta(minutes=self.minutes)
        elif self.until is not None:
            end = parse_moment(self.until, parse_zone(zone))
        return Window(start, max(start, end))

    def applied_to(self, kept: dict[str, Any]) -> dict[str, Any]:
        """The expansion's request as this run has it, from the one kept beside its plan.

        What that says of windows is for the expansion's own run; a field that this version does not know is left out.
        """
        changed: dict[str, Any] = {
            "moved_by": MovedBy.THIS_RUN,
            "windows": (),
            "not_before": None,
            "last_end": None,
            "only_tables": self.only_tables,
        }
        if self.parallel_moves is not None:
            changed["parallel_moves"] = self.parallel_moves
        if self.engine is not EngineChoice.AS_ASKED:
            changed["engine"] = Engine(self.engine.value)
        elif self.only_tables:
            changed["engine"] = Engine.DIRECT  # gpexpand would move all
        if self.order is not OrderChoice.AS_RANKED:
            changed["order"] = TableOrder(self.order.value)
        known = {name: value for name, value in kept.items() if name in ExpansionRequest.model_fields}
        return {**known, **changed}
