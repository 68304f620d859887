"""What is left of a file when its wrong fields are taken out, so that the others are checked all the same."""

import copy
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from spec.document import Document, Path
from spec.problem import Problem
from spec.validation import misspelt, place, validate

M = TypeVar("M", bound=BaseModel)

_ROUNDS = 8
"""A field that is taken out may leave its parent wrong, and so on up."""
_STAND_INS = {"name": "unnamed", "instance_type": "", "compute": "azureml:unnamed"}
"""For required fields at the top, so that a file without one has a rest too."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """A file's fields as far as they are right."""

    fields: M | None
    """None: nothing can be made of it. With any problem they are not what the file asks for."""
    problems: tuple[Problem, ...] = ()
    doubtful: frozenset[Path] = frozenset()
    """Where a value was taken out or seems to be misspelt: that it is not there means nothing."""


def read(model: type[M], document: Document) -> Reading[M]:
    """The document as `model`, with every problem in it; what can be kept of it where there is one."""
    fields, problems = validate(model, document, document.data)
    if fields is not None:
        return Reading(fields, document.problems)
    kept, doubtful = _salvage(model, copy.deepcopy(document.data))
    return Reading(kept, (*document.problems, *problems), doubtful)


def _salvage(model: type[M], data: object) -> tuple[M | None, frozenset[Path]]:
    doubtful: set[Path] = set()
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(data), frozenset(doubtful)
        except ValidationError as error:
            if not isinstance(data, dict):
                return None, frozenset()
            for details in error.errors(include_url=False):
                doubtful |= {place(details), misspelt(model, details) or place(details)}
                _take_out(data, place(details), is_missing=details["type"] == "missing")
    return None, frozenset(doubtful)


def _take_out(data: dict[Hashable, Any], path: Path, *, is_missing: bool) -> None:
    """Take out the value, or the nearest part around it that can go."""
    if not path:
        data.clear()
    elif len(path) == 1 and is_missing:
        data[path[0]] = _STAND_INS.get(str(path[0]), "")
    elif is_missing:
        _take_out(data, path[:-1], is_missing=False)
    else:
        above = _member(data, path[:-1])
        if isinstance(above, dict):
            above.pop(path[-1], None)
        elif len(path) > 1:
            _take_out(data, path[:-1], is_missing=False)


def _member(data: object, path: Path) -> object:
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        else:
            data = data[part] if isinstance(data, list) and isinstance(part, int) else None
    return data
