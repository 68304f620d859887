"""Mappings of users' own keys (tags, properties, variables) as sorted text."""

import json
from collections.abc import Mapping


def pairs(facts: Mapping[object, object]) -> tuple[tuple[str, str], ...]:
    """Keys and values as text, sorted by key."""
    return tuple(sorted((_text(key), _text(value)) for key, value in facts.items()))


def _plain(value: object) -> object:
    """With keys as text, since those of YAML may be of kinds that do not compare."""
    match value:
        case dict():
            return {_text(key): _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case _:
            return value


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case dict() | list():
            return json.dumps(_plain(value), sort_keys=True, default=str)
        case _:
            return str(value)
