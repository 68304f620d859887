"""Mappings of users' own keys (tags, properties, variables) as sorted text."""

import json
from collections.abc import Mapping


def pairs(facts: Mapping[object, object]) -> tuple[tuple[str, str], ...]:
    """Keys and values as text, sorted by key."""
    return tuple(sorted((_text(key), _text(value)) for key, value in facts.items()))


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case dict() | list():
            return json.dumps(value, sort_keys=True, default=str)
        case _:
            return str(value)
