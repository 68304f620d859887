"""Loaded values in a form that both loaders' can be compared in."""

from collections.abc import Hashable
from typing import Any

Value = Any
"""Whatever a YAML file may hold."""


class Parts(dict[str, Value]):
    """The fields of an object by name, as against a mapping that a user wrote."""


def plain(value: Value) -> Value:
    """A scalar as it is, or what JSON has no form for as kind and text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return ("other", f"{type(value).__name__} {value}")


def decode(value: Value) -> Value:
    """What azure_driver.py wrote, as values again."""
    match value:
        case {"!mapping": pairs}:
            return {_key(decode(key)): decode(item) for key, item in pairs}
        case {"!path": path}:
            return path
        case {"!": str(text)}:
            return _special(text)
        case dict():
            return Parts((name, decode(item)) for name, item in value.items())
        case list():
            return [decode(item) for item in value]
        case _:
            return value


def _special(text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return ("other", text)


def _key(key: Value) -> Hashable:
    return key if isinstance(key, Hashable) else repr(key)
