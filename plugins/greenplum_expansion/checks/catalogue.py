"""All checks there are, each by id and title: from here docs/reference/checks.md is written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ParamSpec

from greenplum_expansion.checks.finding import Finding

Params = ParamSpec("Params")
CheckFunction = Callable[Params, list[Finding]]


@dataclass(frozen=True)
class Check:
    """One concern that is looked at before anything is touched.

    :param identifier: as findings and the reference name it, in words joined by hyphens; it never changes
    :param title: the state wished for, as a sentence
    :param explanation: what is looked at and why it matters: the docstring of its function
    :param module: where the function is
    """

    identifier: str
    title: str
    explanation: str
    module: str


_CATALOGUE: dict[str, Check] = {}


def check(identifier: str, title: str) -> Callable[[CheckFunction[Params]], CheckFunction[Params]]:
    """Enter a function in the catalogue, and put its id on each of its findings."""

    def enter(function: CheckFunction[Params]) -> CheckFunction[Params]:
        if identifier in _CATALOGUE and _CATALOGUE[identifier].module != function.__module__:
            raise ValueError(f"two checks are called {identifier}")
        _CATALOGUE[identifier] = Check(identifier, title, inspect.getdoc(function) or "", function.__module__)

        @functools.wraps(function)
        def stamped(*args: Params.args, **kwargs: Params.kwargs) -> list[Finding]:
            return [replace(finding, check=identifier) for finding in function(*args, **kwargs)]

        return stamped

    return enter


def catalogue() -> Sequence[Check]:
    """All checks whose modules have been imported, by id."""
    return [_CATALOGUE[identifier] for identifier in sorted(_CATALOGUE)]
