"""All parts of the preparation, each with its title: from here docs/reference/preparation.md is written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenplum_expansion.preparation.change import PartPlan
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart

PlanFunction = Callable[[Situation], PartPlan]


@dataclass(frozen=True)
class Part:
    """One part of the preparation.

    :param choice: how the request names it
    :param title: the state wished for, as a sentence
    :param explanation: what is looked at, what is changed and why: the docstring of its function
    :param plan: the function
    """

    choice: PreparationPart
    title: str
    explanation: str
    plan: PlanFunction

    @property
    def identifier(self) -> str:
        """As tests name it in ``@pytest.mark.proves("preparation:…")``."""
        return identifier(self.choice)


_CATALOGUE: dict[PreparationPart, Part] = {}


def identifier(choice: PreparationPart) -> str:
    return "preparation:" + choice.value.lower().replace(" ", "-")


def part(choice: PreparationPart, title: str) -> Callable[[PlanFunction], PlanFunction]:
    """Enter a function in the catalogue, and put its part's name on each of its changes."""

    def enter(function: PlanFunction) -> PlanFunction:
        @functools.wraps(function)
        def stamped(situation: Situation) -> PartPlan:
            return function(situation).stamped(choice.value)

        _CATALOGUE[choice] = Part(choice, title, inspect.getdoc(function) or "", stamped)
        return stamped

    return enter


def entered() -> Sequence[Part]:
    """The parts whose modules have been imported, in the order in which they are done; `parts.py` imports all."""
    return [_CATALOGUE[choice] for choice in PreparationPart if choice in _CATALOGUE]
