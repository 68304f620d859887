"""Placeholders in users' files: `{{X}}`, `${X}`, and `<X>` where a value for X is listed."""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace

from spec.document import Document, Path, expose
from spec.near import listing, suggestion
from spec.problem import Problem

_ANY = re.compile(
    r"\ue000\ue000\s*(?P<braces>[A-Za-z_][\w.-]*)\s*\ue001\ue001|\$\{(?P<dollar>[A-Za-z_]\w*)\}|<(?P<angle>[^<>\n]+)>"
)
_ANGLE = re.compile(r"<([^<>\n]+)>")
_NEVER_ANGLED = ("name", "endpoint_name", "instance_type", "compute", "model", "environment")
"""Fields whose value is never like `<X>`, so that it must be a placeholder."""
_SIGNS = ("\ue000\ue000", "${", "<")


def fill(document: Document, values: Mapping[str, str]) -> Document:
    """The document with its placeholders filled; each unfilled one is a problem that names it."""
    if document.data is None or not any(sign in document.text for sign in _SIGNS):
        return document
    places = (*_missing(document.data, values, ()), *_angled(document.mapping, values))
    unfilled = tuple(_problem(document, path, name, values) for path, name in places)
    return replace(document, data=_filled(document.data, values), problems=(*document.problems, *unfilled))


def _filled(value: object, values: Mapping[str, str]) -> object:
    match value:
        case str():
            return expose(_ANY.sub(lambda found: values.get(_name(found), found[0]), value))
        case dict():
            return {_filled(key, values): _filled(member, values) for key, member in value.items()}
        case list():
            return [_filled(member, values) for member in value]
        case _:
            return value


def _missing(value: object, values: Mapping[str, str], path: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            names = (_name(found) for found in _ANY.finditer(value) if found["angle"] is None)
            yield from ((path, name) for name in names if name not in values)
        case dict():
            for key, member in value.items():
                yield from _missing(key, values, (*path, key))
                yield from _missing(member, values, (*path, key))
        case list():
            for index, member in enumerate(value):
                yield from _missing(member, values, (*path, index))
        case _:
            pass


def _angled(data: Mapping[Hashable, object], values: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for key in _NEVER_ANGLED:
        value = data.get(key)
        found = _ANGLE.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is not None and found[1] not in values:
            yield (key,), found[1]


def is_unfilled(text: str) -> bool:
    """Whether a name is, or holds, a placeholder without a value."""
    return "{{" in text or "${" in text or _ANGLE.fullmatch(text.strip()) is not None


def _name(found: re.Match[str]) -> str:
    return found["braces"] or found["dollar"] or found["angle"]


def _subject(document: Document, path: Path, name: str) -> str:
    is_angled = len(path) == 1 and document.mapping.get(path[0]) == f"<{name}>"
    return (
        f"`<{name}>` looks like a placeholder, and has no value"
        if is_angled
        else f"The placeholder `{name}` has no value"
    )


def _problem(document: Document, path: Path, name: str, values: Mapping[str, str]) -> Problem:
    hint = suggestion(name, values) or (f" Listed: {listing(values)}." if values else "")
    message = (
        f"{_subject(document, path, name)}: list `{name}` below `values:` in a YAML file with `kind: values`, "
        f"or write a value here.{hint}"
    )
    problem = document.problem(path, message, allowed=", ".join(sorted(values)) or "a value")
    return replace(problem, field=expose(problem.field), found=name)
