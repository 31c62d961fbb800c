"""YAML files that users write: read strictly, validated once, every error with file, line and field.

PyYAML keeps the last of two equal keys without a word; here the second is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dataflows.errors import SpecError
from systolith.textspec import suggestion

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Document:
    """A parsed file and the line of each of its fields.

    Attributes
    ----------
    source : str
        File name as the user gave it.
    data : Any
        Plain Python data.
    lines : dict
        Field location to line number, counted from 1.
    """

    source: str
    data: Any
    lines: dict[Loc, int]

    def where(self, loc: Loc) -> str:
        """Return ``file:line: field.path`` of the nearest known field."""
        known = loc
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known)
        place = f"{self.source}:{line}" if line else self.source
        return f"{place}: {dotted(loc)}" if loc else place

    def part(self, key: str) -> Document:
        """Return the document below a top-level key."""
        lines = {loc[1:]: line for loc, line in self.lines.items() if loc[:1] == (key,)}
        return Document(self.source, self.data[key], lines)


def dotted(loc: Loc) -> str:
    """Write a field location as ``a.b[2].c``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_text(path: Path, what: str) -> str:
    """Read a UTF-8 file; every way this can fail is a `SpecError` naming the file."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SpecError(
                str(path), f"{path.stat().st_size} bytes", f"{what} of at most {MOST_BYTES} bytes", "check the file name"
            )
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecError(str(path), "bytes that are not UTF-8 text", what, "check the file name") from None
    except OSError as error:
        raise SpecError(str(path), error.strerror or str(error), f"a readable file: {what}", "check the path") from None


def read_document(path: Path, what: str = "a YAML file") -> Document:
    """Read and parse a YAML (or JSON) file."""
    return parse_document(read_text(path, what), str(path), what)


def parse_document(text: str, source: str, what: str = "a YAML file") -> Document:
    """Parse YAML text; syntax errors and repeated keys raise `SpecError` with ``file:line:column``."""
    lines: dict[Loc, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            _walk(node, (), lines, source, {})
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise SpecError(place, error.problem or "broken YAML", "valid YAML", "correct the syntax at this place") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(source, str(error).splitlines()[0], "valid YAML", "correct the file") from None
    if data is None:
        raise SpecError(source, "an empty file", what, "see examples/ and dataflows/presets/")
    return Document(source, data, lines)


def _walk(node: yaml.Node, loc: Loc, lines: dict[Loc, int], source: str, finished: dict[int, bool]) -> None:
    """Record the line of every field and refuse repeated keys.

    `finished` holds the nodes seen so far, false while their children are walked: an alias is walked once only (nested
    aliases would take exponential time), and one that leads back into itself is refused.
    """
    lines.setdefault(loc, node.start_mark.line + 1)
    if id(node) in finished:
        if not finished[id(node)]:
            raise SpecError(
                f"{source}:{node.start_mark.line + 1}", "an alias that contains itself", "a finite document", "remove it"
            )
        return
    finished[id(node)] = False
    if isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _walk(child, (*loc, i), lines, source, finished)
    elif isinstance(node, yaml.MappingNode):
        _walk_mapping(node, loc, lines, source, finished)
    finished[id(node)] = True


def _walk_mapping(node: yaml.MappingNode, loc: Loc, lines: dict[Loc, int], source: str, finished: dict[int, bool]) -> None:
    seen: dict[str, int] = {}
    for key, child in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            place = f"{source}:{line}: {dotted((*loc, name))}"
            raise SpecError(place, "the same key twice", "each key once", f"remove this one or the one on line {seen[name]}")
        seen[name] = line
        lines[(*loc, name)] = line
        _walk(child, (*loc, name), lines, source, finished)


def validate(model: type[Model], document: Document) -> Model:
    """Turn a document into `model`; the first problem becomes a `SpecError` with file, line, field, value and remedy."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise _spec_error(model, document, error) from None


def _spec_error(model: type[BaseModel], document: Document, error: ValidationError) -> SpecError:
    # A misspelt field is also a missing one: the misspelling is the better message.
    problem = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    loc = tuple(part for part in problem["loc"] if not (isinstance(part, str) and part.startswith("function-")))
    more = f" ({error.error_count() - 1} more after this)" if error.error_count() > 1 else ""
    where, kind = document.where(loc), problem["type"]
    if kind == "extra_forbidden":
        known = _fields_at(model, loc[:-1])
        return SpecError(where, problem["input"], ", ".join(known), suggestion(str(loc[-1]), known) + more)
    if kind == "missing":
        return SpecError(where, "nothing", "a value: this field is required", f"add {loc[-1]}{more}")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return SpecError(where, problem["input"], "fields of the form `name: value`", f"correct the value{more}")
    allowed = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return SpecError(where, problem["input"], allowed, f"correct the value{more}")


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
