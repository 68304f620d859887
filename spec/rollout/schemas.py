"""Whether users' JSON Schemas can be used; none may make Headgate fetch another document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator

_DIALECTS = {
    str(one.META_SCHEMA["$schema"]).rstrip("#"): one
    for one in (Draft4Validator, Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator)
}
_NEWEST = next(reversed(_DIALECTS))
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_NOWHERE = object()
_LARGEST = 100_000
"""Parts of a schema with each reference written out: a few that refer to each other twice come to millions."""


def fault(schema: Any) -> str | None:  # noqa: ANN401 - whatever the file holds
    """Why this is no schema that can be used, or None."""
    if not isinstance(schema, dict):
        return "it must be a mapping"
    dialect = schema.get("$schema", _NEWEST)
    checker = _DIALECTS.get(dialect.rstrip("#")) if isinstance(dialect, str) else None
    if checker is None:
        return f"`$schema` is `{str(dialect)[:80]}`, which is no dialect of JSON Schema that is known here"
    wrong = _misled(schema)
    if wrong is not None:
        return wrong
    try:
        checker.check_schema(schema)
    except SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path)
        return f"{error.message[:200]}{f' (at {place})' if place else ''}"
    return _trial(schema, checker(schema))


def _trial(schema: object, validator: Validator) -> str | None:
    """What goes wrong when it is used for the simplest of answers, or None."""
    try:
        if _Sizes(schema, _anchors(schema)).of(schema, frozenset()) > _LARGEST:
            return f"with all that it refers to it has more than {_LARGEST} parts"
        validator.is_valid(None)
    except RecursionError:
        return "it refers to itself without end, or is nested too deeply"
    return None


def _misled(schema: object) -> str | None:
    """What is wrong with the places that it refers to, or None."""
    if not all(_is_address(word) for word in _words(schema, ("$id", "id", *_REFERENCES))):
        return "one of its `$id` or `$ref` is no URI"
    places = _anchors(schema)
    for target in _words(schema, _REFERENCES):
        if not target.startswith("#"):
            return f"it refers to `{target[:80]}`, and only places within it (#/$defs/NAME) can be referred to"
        if not _is_there(schema, target, places):
            return f"it refers to `{target[:80]}`, which is not in it"
    return None


def _anchors(schema: object) -> dict[str, object]:
    """Every part that is referred to by name."""
    found: dict[str, object] = {"#": schema}
    for part in _parts(schema):
        names = [f"#{part[key]}" for key in ("$anchor", "$dynamicAnchor") if isinstance(part.get(key), str)]
        names += [part[key] for key in ("$id", "id") if isinstance(part.get(key), str)]
        for name in names:
            found.setdefault(name, part)
    return found


def _is_there(schema: object, target: str, places: Mapping[str, object]) -> bool:
    """Whether a pointer or an anchor leads somewhere."""
    return target in places if not target.startswith("#/") else _at(schema, target) is not _NOWHERE


def _at(schema: object, target: str) -> object:
    """What a pointer leads to, or `_NOWHERE`."""
    part = schema
    for step in unquote(target[1:]).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(part, dict) and key in part:
            part = part[key]
        elif isinstance(part, list) and key.isdecimal() and int(key) < len(part):
            part = part[int(key)]
        else:
            return _NOWHERE
    return part


@dataclass
class _Sizes:
    """Parts with each reference written out, but for those that lead back to where they are."""

    root: object
    places: Mapping[str, object]
    known: dict[str, int] = field(default_factory=dict)

    def of(self, part: object, within: frozenset[str]) -> int:
        """So many parts this is, within what these references lead to."""
        if isinstance(part, list):
            return 1 + sum(self.of(inner, within) for inner in part)
        if not isinstance(part, dict):
            return 1
        size = 1 + sum(self.of(inner, within) for inner in part.values())
        for target in (part[key] for key in _REFERENCES if isinstance(part.get(key), str)):
            if target not in within:
                self.known[target] = self.known.get(target) or self.of(self._found(target), within | {target})
                size += self.known[target]
        return size

    def _found(self, target: str) -> object:
        return _at(self.root, target) if target.startswith("#/") else self.places.get(target)


def _parts(schema: object) -> Iterator[dict[str, Any]]:
    """Every mapping in the schema."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _is_address(word: str) -> bool:
    try:
        urlsplit(word)
    except ValueError:
        return False
    return True


def _words(schema: object, keys: tuple[str, ...]) -> Iterator[str]:
    """The text at these keys, anywhere in the schema."""
    for part in _parts(schema):
        yield from (value for key, value in part.items() if key in keys and isinstance(value, str))
