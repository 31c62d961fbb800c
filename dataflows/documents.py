"""Documents that users write, validated once: every error with file, line and field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dataflows.errors import SpecError, suggestion
from dataflows.yaml_lines import Document, Loc

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], document: Document) -> Model:
    """Turn a document into `model`; the first problem becomes a `SpecError` with file, line, field, value and remedy."""
    if document.data is None:
        raise SpecError(document.path, "an empty file", ", ".join(_fields_at(model, ())), "see examples/ and dataflows/presets/")
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise spec_error(model, error, document.where) from None


def spec_error(model: type[BaseModel], error: ValidationError, where: Callable[..., str]) -> SpecError:
    """Turn pydantic's first problem into a `SpecError`; ``where(*path)`` says where a field stands."""
    # A misspelt field is also a missing one: the misspelling is the better message.
    problem = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    loc = tuple(part for part in problem["loc"] if not (isinstance(part, str) and part.startswith("function-")))
    more = f" ({error.error_count() - 1} more after this)" if error.error_count() > 1 else ""
    place, kind = where(*loc), problem["type"]
    if kind == "extra_forbidden":
        known = _fields_at(model, loc[:-1])
        return SpecError(place, problem["input"], ", ".join(known), suggestion(str(loc[-1]), known) + more)
    if kind == "missing":
        return SpecError(place, "nothing", "a value: this field is required", f"add {loc[-1]}{more}")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return SpecError(place, problem["input"], "fields of the form `name: value`", f"correct the value{more}")
    allowed = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return SpecError(place, problem["input"], allowed, f"correct the value{more}")


def _fields_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """Names (aliases) of the fields of the sub-model at `loc`."""
    for part in loc:
        field = model.model_fields.get(str(part)) or next((f for f in model.model_fields.values() if f.alias == part), None)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the pydantic model in an annotation such as ``Verify | None`` or ``list[Item]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for arg in getattr(annotation, "__args__", ()) if (m := _model_in(arg))), None)
