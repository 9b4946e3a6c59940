"""From what was sent to a request, or to one error that names every wrong field."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from greenplum_expansion.errors import InvalidRequest

Request = TypeVar("Request", bound=BaseModel)


def parse_request(model: type[Request], conf: dict[str, Any]) -> Request:
    """Validate what came from the form, the API or the command line.

    :raises InvalidRequest: one error that names every wrong field, in the words of the form
    """
    try:
        return model.model_validate(conf)
    except ValidationError as error:
        problems = "; ".join(_say(model, detail) for detail in error.errors())
        raise InvalidRequest("The request", problems, "correct it and trigger again") from None


def _say(model: type[BaseModel], detail: Any) -> str:
    location = [str(part) for part in detail["loc"]]
    field = model.model_fields.get(location[0]) if location else None
    label = field.title if field and field.title else ".".join(location)
    message = detail["msg"].removeprefix("Value error, ")
    return f"{label}: {message}" if label else message
