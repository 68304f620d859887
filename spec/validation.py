"""Plain data to a pydantic model, and pydantic's errors to problems with places."""

import inspect
import typing
from collections.abc import Hashable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from spec.document import Document, Path, show
from spec.fields import SHAPES
from spec.near import listing, near, suggestion
from spec.problem import Problem

M = TypeVar("M", bound=BaseModel)

_UNKNOWN = ("extra_forbidden", "invalid_key")
_SHAPES = {
    "dict_type": "a mapping",
    "list_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def validate(model: type[M], document: Document, data: object) -> tuple[M | None, tuple[Problem, ...]]:
    """The document's data as `model`, or None and every problem in it but where the document has one already."""
    try:
        return model.model_validate(data), ()
    except ValidationError as error:
        found = error.errors(include_url=False)
        meant = {misspelt(model, details) for details in found}
        telling = (one for one in found if one["type"] != "missing" or place(one) not in meant)
        problems = (_problem(model, document, details) for details in telling)
        said = {(problem.line, problem.column) for problem in document.problems}
        return None, tuple(problem for problem in problems if (problem.line, problem.column) not in said)


def place(details: ErrorDetails) -> Path:
    """Where in the data an error is."""
    last = len(details["loc"]) - 1
    marked = details["loc"][last:] == ("[key]",) and details["type"] not in _UNKNOWN
    return tuple(
        part for index, part in enumerate(details["loc"]) if part not in SHAPES and not (marked and index == last)
    )


def misspelt(model: type[BaseModel], details: ErrorDetails) -> Path | None:
    """The field that an unknown key seems to mean: that it is missing says nothing more."""
    if details["type"] not in _UNKNOWN:
        return None
    path = place(details)
    meant = near(str(path[-1]), keys(model, details["loc"][:-1]))
    return (*path[:-1], meant) if meant is not None else None


def _problem(model: type[BaseModel], document: Document, details: ErrorDetails) -> Problem:
    path = place(details)
    dotted = ".".join(str(part) for part in path)
    subject = f"`{dotted}`" if dotted else "This file"
    match details["type"]:
        case kind if kind in _UNKNOWN:
            return _unknown(model, document, path, details["loc"])
        case "missing":
            return document.problem(path, f"{subject} is missing and required: add it.", allowed="a value")
        case kind:
            told = details.get("ctx", {})
            shape = _SHAPES.get(kind, "")
            words = f"must be {shape}." if shape else details["msg"]
            allowed = shape or str(told.get("allowed", ""))
            found = told.get("found")
            hint = _hint(details["input"], allowed)
            is_key = details["loc"][-1:] == ("[key]",)
            found = details["input"] if found is None else found
            return document.problem(path, f"{subject} {words}{hint}", found=found, allowed=allowed, key=is_key)


def _hint(found: object, allowed: str) -> str:
    """A near match among a short list of allowed words."""
    options = allowed.split(", ")
    return suggestion(found, options) if isinstance(found, str) and len(options) > 1 and found else ""


def _unknown(model: type[BaseModel], document: Document, path: Path, place: Path) -> Problem:
    known = sorted(keys(model, place[:-1]))
    name = show(path[-1])
    above = ".".join(str(part) for part in path[:-1])
    where = f" in `{above}`" if above else ""
    hint = suggestion(str(path[-1]), known) or f" Known keys{where}: {listing(known, 40)}."
    message = f"`{name}` is not a key that is known here{where}.{hint}"
    return document.problem(path, message, found=name, allowed=", ".join(known), key=True)


def keys(model: type[BaseModel], path: Path) -> set[str]:
    """The keys that a mapping at `path` below `model` may have; shapes in the path say which of several it is."""
    found = {model}
    for part in path:
        if part in SHAPES:
            found = {each for each in found if getattr(each, "shape", "") in ("", part)} or found
        else:
            found = {deeper for each in found for deeper in _below(each, part)}
    return {field.alias or name for each in found for name, field in each.model_fields.items()}


def _below(model: type[BaseModel], part: Hashable) -> Iterator[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if part in (name, field.alias):
            yield from _models(field.annotation)
    if isinstance(part, int) or part not in model.model_fields:
        yield model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type expression
    if inspect.isclass(annotation) and typing.get_origin(annotation) is None:
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _models(argument)
