"""Fields of a request as controls of a form, so that the wizard asks in the request's own words, and for all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from greenplum_expansion.request.windows import LOCAL_TIME

Kind = Literal["yes or no", "choice", "choices", "number", "text", "lines", "moment"]
# What a browser's picker knows; with a zone of its own, a moment stays the text it is.
_LOCAL = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(?::00)?")


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
    schema = _schema(model)
    definitions = schema.get("$defs", {})
    # The schema leaves a title out that is the name of its type, too.
    titles = {name: model.model_fields[name].title or name for name in names}
    return [
        _control(name, title, schema["properties"][name], definitions, draft, errors.get(name, ""))
        for name, title in titles.items()
    ]


def shown(model: type[BaseModel], draft: Mapping[str, Any]) -> dict[str, Any]:
    """The draft's fields whose values their controls can show, right or wrong; text as UTF-8 can hold it."""
    kept = {}
    for control in controls(model, [name for name in model.model_fields if name in draft], {}, {}):
        value = _tidy(draft[control.name])
        if _can_show(control.kind, value) or (value is None and control.kind != "yes or no"):
            kept[control.name] = value
    return kept


def _can_show(kind: Kind, value: Any) -> bool:
    if kind == "yes or no":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, str | int) and not isinstance(value, bool)
    if kind in ("lines", "choices") and isinstance(value, list):
        return all(isinstance(entry, str) or (kind == "lines" and _is_host(entry)) for entry in value)
    return isinstance(value, str) and kind != "choices"


def _is_host(entry: Any) -> bool:
    """As an older draft or somebody's own JSON has it."""
    return isinstance(entry, dict) and all(isinstance(part, str | None) for part in entry.values())


def _tidy(value: Any) -> Any:
    """JSON can name halves of characters, which no answer can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_tidy(entry) for entry in value]
    if isinstance(value, dict):
        return {_tidy(name): _tidy(entry) for name, entry in value.items()}
    return value


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _control(
    name: str,
    title: str,
    prop: Mapping[str, Any],
    definitions: Mapping[str, Any],
    draft: Mapping[str, Any],
    error: str,
) -> Control:
    default = prop.get("default")
    value = draft.get(name, default)
    options = [prop, *prop.get("anyOf", ()), *prop.get("allOf", ())]
    kind, choices = _kind(prop, options, definitions)
    if kind == "text" and any(option.get("format") == LOCAL_TIME for option in options):
        kind, value = _as_picked(value)
    if kind == "lines":
        value, default = _as_lines(value), _as_lines(default)
    bounds = [option for option in options if option.get("type") == "integer"]
    return Control(
        name=name,
        title=title,
        help=prop.get("description", ""),
        section=prop.get("section", ""),
        kind=kind,
        value="" if value is None else value,
        choices=choices,
        least=bounds[0].get("minimum") if bounds else None,
        most=bounds[0].get("maximum") if bounds else None,
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


def _as_picked(value: Any) -> tuple[Kind, Any]:
    """A moment as a browser's picker has it, if that can be."""
    if not value:
        return "moment", value
    found = _LOCAL.fullmatch(str(value).strip())
    return ("moment", f"{found[1]}T{found[2]}") if found else ("text", value)


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
