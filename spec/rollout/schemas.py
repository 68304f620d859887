"""Whether users' JSON Schemas can be used; none may make Headgate fetch another document."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def fault(schema: Any) -> str | None:  # noqa: ANN401 - whatever the file holds
    """Why this is no schema that can be used, or None."""
    if not isinstance(schema, dict):
        return "it must be a mapping"
    distant = next((target for target in _targets(schema) if not target.startswith("#")), None)
    if distant is not None:
        return f"it refers to `{distant[:80]}`, and only places within the schema (#/$defs/NAME) can be referred to"
    lost = next((target for target in _targets(schema) if not _is_there(schema, target)), None)
    if lost is not None:
        return f"it refers to `{lost[:80]}`, which is not in it"
    checker = validator_for(schema, default=Draft202012Validator)
    try:
        checker.check_schema(schema)
    except SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path)
        return f"{error.message[:200]}{f' (at {place})' if place else ''}"
    return None


def _is_there(schema: object, target: str) -> bool:
    """Whether a pointer leads somewhere; anchors are taken on trust."""
    part = schema
    for step in unquote(target[1:]).split("/")[1:] if target.startswith("#/") else ():
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(part, dict) and key in part:
            part = part[key]
        elif isinstance(part, list) and key.isdecimal() and int(key) < len(part):
            part = part[int(key)]
        else:
            return False
    return True


def _targets(schema: object) -> Iterator[str]:
    open_parts = [schema]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict):
            yield from (value for key, value in part.items() if key in _REFERENCES and isinstance(value, str))
            open_parts.extend(part.values())
        elif isinstance(part, list):
            open_parts.extend(part)
