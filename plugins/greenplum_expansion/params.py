"""The trigger form: Airflow Params derived from a request model, so that form, API and code cannot disagree."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param
from pydantic import BaseModel
from pydantic.fields import FieldInfo

# What the form shows in a text area, one entry a line; the API may also send objects (hosts with a key).
_LINES = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}}


def dag_params(model: type[BaseModel], **defaults: Any) -> dict[str, Param]:
    """One Param a field, grouped by the model's sections.

    A field without default gets none here either, so that the form demands it (shown empty, refused empty).

    :param defaults: of this deployment, by field, instead of the model's
    """
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    for name, value in defaults.items():
        schema["properties"][name]["default"] = value
    return {name: _param(field, schema["properties"][name], definitions) for name, field in model.model_fields.items()}


def _param(field: FieldInfo, prop: dict[str, Any], definitions: dict[str, Any]) -> Param:
    extra = field.json_schema_extra
    assert isinstance(extra, dict), "every field names its section"
    shared: dict[str, Any] = {"title": field.title, "description_md": field.description, "section": extra["section"]}
    choice = _referenced(prop, definitions)
    if choice and "enum" in choice:
        return Param(prop["default"], type="string", enum=choice["enum"], **shared)
    if prop.get("type") == "array":
        several = _referenced(prop["items"], definitions)
        if several and "enum" in several:  # with `examples` the form shows a list to choose several from
            names = several["enum"]
            return Param(
                list(prop["default"]), type="array", items={"enum": names}, examples=names, uniqueItems=True, **shared
            )
        minimum = prop.get("minItems", 0)
        kind: dict[str, Any] = _LINES if minimum else {**_LINES, "type": ["null", "array"]}
        return Param(list(prop.get("default") or []), **kind, minItems=minimum, **shared)
    if "anyOf" in prop:  # optional; the form sends null for an empty one
        whole = next((option for option in prop["anyOf"] if option.get("type") == "integer"), None)
        if whole:
            bounds = {key: whole[key] for key in ("minimum", "maximum") if key in whole}
            return Param(prop.get("default"), type=["null", "integer"], **bounds, **shared)
        pattern = next((option["pattern"] for option in prop["anyOf"] if "pattern" in option), None)
        rule: dict[str, Any] = {"pattern": pattern} if pattern else {}
        return Param(prop.get("default"), type=["null", "string"], **rule, **shared)
    limits = {key: prop[key] for key in ("minimum", "maximum", "minLength", "pattern") if key in prop}
    return Param(prop["default"], type=prop["type"], **limits, **shared)


def _referenced(prop: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    reference = prop.get("$ref") or next((part["$ref"] for part in prop.get("allOf", [])), None)
    return definitions[reference.rsplit("/", 1)[1]] if reference else None
