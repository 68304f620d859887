"""Durations as people and Azure write them: `500ms`, `30s`, `1h30m`, `PT30S`, and plain seconds."""

import re
from collections.abc import Iterable

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_ISO = re.compile(
    r"P(?=[\dT])(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_MAX_LENGTH = 40


def seconds(text: str) -> float | None:
    """The seconds that the text spells, or None; never negative."""
    text = text.strip()
    if not text or len(text) > _MAX_LENGTH:
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    if _WHOLE.fullmatch(text):
        return _sum(_PART.findall(text))
    found = _ISO.fullmatch(text)
    return None if found is None else _sum((number, unit) for unit, number in found.groupdict("0").items())


def milliseconds(text: str) -> float | None:
    """The milliseconds that the text spells, or None; it must have a unit."""
    found = None if _NUMBER.fullmatch(text.strip()) else seconds(text)
    return None if found is None else round(found * 1000, 6)


def spell(length: float) -> str:
    """Seconds as people write them: `1h30m`, `250ms`."""
    rest = round(length * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, round(_SECONDS[unit] * 1000))
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def _sum(parts: Iterable[tuple[str, str]]) -> float:
    return round(sum(float(number) * _SECONDS[unit] for number, unit in parts), 6)
