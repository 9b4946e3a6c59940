"""What is read of Airflow's tables, row by row, but for runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Task:
    """One task instance; `label` tells mapped ones apart."""

    task_id: str
    map_index: int
    state: str | None
    started: datetime | None
    ended: datetime | None
    try_number: int
    label: str
    queued: datetime | None = None


@dataclass(frozen=True)
class Schedule:
    """When a DAG runs by itself; paused, it does not."""

    is_paused: bool
    next_run: datetime | None


@dataclass(frozen=True)
class Left:
    """What one task instance left under one key."""

    task_id: str
    map_index: int
    key: str
    value: Any
    at: datetime


@dataclass(frozen=True)
class Found:
    """A value, and the run it was left in."""

    run_id: str
    value: Any


@dataclass(frozen=True)
class Question:
    """What a task asks a person, unanswered."""

    task_id: str
    map_index: int
    subject: str
    body: str
    options: tuple[str, ...]
    params: Mapping[str, Any]
    asked: datetime

    @property
    def mark(self) -> str:
        """Another one for another question."""
        return f"{self.task_id}.{self.map_index}.{int(self.asked.timestamp())}"
