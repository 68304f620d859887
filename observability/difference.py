"""How two JSON values differ: numbers by how much, all else by whether. Pure."""

import math
from dataclasses import dataclass
from typing import Final, TypeGuard

from observability.exchange import excerpt

ROUNDING: Final = 4
"""Units in the last place of a floating-point number that are no difference."""

Pair = tuple[str, object, object]
"""Place, expected, found."""


@dataclass(frozen=True, slots=True)
class Difference:
    """All places at which a value is not the one that it is held against."""

    largest: float = 0.0
    """The largest difference of two numbers."""
    is_other: bool = False
    """Something differs that is no difference of two numbers: text, a length, a key, NaN."""
    beyond: int = 0
    """Places that differ by more than is allowed."""
    first: str = ""
    """The first of these, for people."""

    @property
    def is_change(self) -> bool:
        """Whether anything differs at all."""
        return self.is_other or self.largest > 0


def compare(expected: object, found: object, allowed: float = 0.0) -> Difference:
    """Hold `found` against `expected`; numbers may differ by `allowed`, all else must be equal."""
    largest, is_other, beyond, first = 0.0, False, 0, ""
    waiting: list[Pair] = [("$", expected, found)]
    while waiting:
        place, one, other = waiting.pop()
        inner = _inner(place, one, other)
        if inner is not None:
            waiting.extend(reversed(inner))
            continue
        distance, noise = _distance(one, other)
        is_other |= math.isinf(distance)
        largest = max(largest, 0.0 if math.isinf(distance) else distance)
        if distance > allowed + noise:
            beyond, first = beyond + 1, first or _tell(place, one, other)
    return Difference(largest, is_other, beyond, first)


def _inner(place: str, one: object, other: object) -> list[Pair] | None:
    """What is within both, if both are built alike."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [(f"{place}.{excerpt(str(key), 40)}", value, other[key]) for key, value in one.items()]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return [(f"{place}[{index}]", *pair) for index, pair in enumerate(pairs)]
    return None


def _distance(one: object, other: object) -> tuple[float, float]:
    """How far apart two values are, infinite where that is no number, and how much of it rounding explains."""
    if not (_is_number(one) and _is_number(other)):
        return (0.0 if type(one) is type(other) and one == other else math.inf), 0.0
    if one == other or (_is_nan(one) and _is_nan(other)):
        return 0.0, 0.0
    try:
        distance = float(abs(one - other))
    except OverflowError:
        return math.inf, 0.0
    if not math.isfinite(distance):
        return math.inf, 0.0
    noise = ROUNDING * max(_ulp(one), _ulp(other))
    return (distance if distance > noise else 0.0), noise


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_nan(value: float) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _ulp(value: float) -> float:
    return math.ulp(value) if isinstance(value, float) else 0.0


def _tell(place: str, expected: object, found: object) -> str:
    """One place, and what is there instead of what."""
    where = f"at {excerpt(place, 60)} "
    match expected, found:
        case list(), list():
            return f"{where}{len(found)} items instead of {len(expected)}"
        case dict(), dict():
            missing, more = (
                sorted(map(str, expected.keys() - found.keys())),
                sorted(map(str, found.keys() - expected)),
            )
            return f"{where}the key {excerpt(missing[0], 40)} is missing" if missing else _more(where, more)
        case _:
            return f"{where}{_show(found)} instead of {_show(expected)}"


def _more(where: str, keys: list[str]) -> str:
    return f"{where}the key {excerpt(keys[0], 40)} should not be there"


def _show(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return f"a list of {len(value)}"
        case str():
            return f'"{excerpt(value, 40)}"'
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int() if value.bit_length() > 64:  # noqa: PLR2004 - longer numbers are not spelt out
            return "a very large number"
        case _:
            return f"{value!r}"
