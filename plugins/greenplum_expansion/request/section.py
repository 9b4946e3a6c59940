"""What the sections of a request have in common: strictness, and fields with the words the form shows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A part of a request. Unknown names are refused, as a misspelt wish must not be ignored silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def field(section: str, title: str, description: str, **constraints: Any) -> Any:
    """A field as the form shows it: under `section`, with `title`, and `description` as Markdown below it."""
    return Field(title=title, description=description, json_schema_extra={"section": section}, **constraints)


def empty_as_none(value: Any) -> Any:
    """The form sends "" or null for a text that was left empty."""
    return None if value == "" else value


def none_as_empty(value: Any) -> Any:
    """The form sends null for a list that was left empty."""
    return () if value is None else value


Lines = Annotated[tuple[str, ...], BeforeValidator(none_as_empty)]
"""A text area: one entry a line."""
