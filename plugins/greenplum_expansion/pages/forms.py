"""Fields of a request as controls of a form, so that the wizard asks in the request's own words, and for all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

Kind = Literal["yes or no", "choice", "choices", "number", "text", "lines"]


@dataclass(frozen=True)
class Control:
    """One field.

    :param value: as the draft has it, or the default; of "lines" the text with line ends
    :param choices: of "choice" and "choices"
    :param least, most: of "number"
    :param error: what is wrong with it; empty if nothing
    """

    name: str
    title: str
    help: str
    section: str
    kind: Kind
    value: Any
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    optional: bool = False
    error: str = ""
    default: Any = ""

    @property
    def is_default(self) -> bool:
        """Whether nothing else than the default was chosen."""
        return bool(self.value == self.default)


def controls(
    model: type[BaseModel], names: Iterable[str], draft: Mapping[str, Any], errors: Mapping[str, str]
) -> list[Control]:
    """A control for each of these fields, filled from the draft."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return [_control(name, schema["properties"][name], definitions, draft, errors.get(name, "")) for name in names]


def _control(
    name: str, prop: Mapping[str, Any], definitions: Mapping[str, Any], draft: Mapping[str, Any], error: str
) -> Control:
    default = prop.get("default")
    value = draft.get(name, default)
    options = [prop, *prop.get("anyOf", ()), *prop.get("allOf", ())]
    optional = any(option.get("type") == "null" for option in options)
    kind, choices = _kind(prop, options, definitions)
    if kind == "lines":
        value, default = _as_lines(value), _as_lines(default)
    bounds = [option for option in options if option.get("type") == "integer"]
    return Control(
        name=name,
        title=prop.get("title", name),
        help=prop.get("description", ""),
        section=prop.get("section", ""),
        kind=kind,
        value="" if value is None else value,
        choices=choices,
        least=bounds[0].get("minimum") if bounds else None,
        most=bounds[0].get("maximum") if bounds else None,
        optional=optional,
        error=error,
        default="" if default is None else default,
    )


def _kind(
    prop: Mapping[str, Any], options: list[Mapping[str, Any]], definitions: Mapping[str, Any]
) -> tuple[Kind, tuple[str, ...]]:
    for option in options:
        if found := _enum(option, definitions):
            return "choice", found
    if prop.get("type") == "array":
        found = _enum(prop.get("items", {}), definitions)
        return ("choices", found) if found else ("lines", ())
    kinds: dict[str, Kind] = {"boolean": "yes or no", "integer": "number", "array": "lines"}
    return next((kinds[option["type"]] for option in options if option.get("type") in kinds), "text"), ()


def _enum(option: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[str, ...]:
    reference = option.get("$ref", "")
    found = definitions.get(reference.rsplit("/", 1)[-1], {}) if reference else option
    return tuple(found.get("enum", ()))


def _as_lines(value: Any) -> str:
    """A list, one entry a line; hosts as they are typed."""
    if isinstance(value, str):
        return value
    return "\n".join(_line(entry) for entry in value or ())


def _line(entry: Any) -> str:
    if isinstance(entry, Mapping):
        hostname, address = entry.get("hostname", ""), entry.get("address")
        return str(hostname) if address in (None, hostname) else f"{hostname}={address}"
    return str(entry)
