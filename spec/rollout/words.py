"""Types of fields in policies and checks: durations, shares, proportions, names and headers."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, WithJsonSchema

from spec.durations import seconds, spell
from spec.fields import Shaped, Str, Strict, reject, text, words
from spec.policy import WHOLE

DAY = 86_400
MONTH = 31 * DAY

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_RESERVED = frozenset(
    {"authorization", "azureml-model-deployment", "headgate-release", "host", "content-length", "connection",
     "transfer-encoding", "upgrade", "te", "trailer", "keep-alive"}
)  # fmt: skip
_MAX_VALUE = 1024


class Own(Strict):
    """A mapping in one of Headgate's own files: each key is spelt in one way only."""

    model_config = ConfigDict(populate_by_name=False)

    shape: ClassVar[str] = ""
    """Of one of several shapes of a field: its tag (see `spec.fields.SHAPES`)."""


def duration(low: float, high: float) -> object:
    """Annotation for a duration in seconds, within these bounds."""

    def read(value: object) -> float:
        found = None if isinstance(value, bool) or not isinstance(value, int | float | str) else seconds(str(value))
        if found is None:
            message = "must be a duration such as 500ms, 30s, 2m, 1h30m or PT30S; a plain number is seconds."
            raise reject(message, "a duration", "headgate")
        if not low <= found <= high:
            raise reject(f"must be from {spell(low)} to {spell(high)}.", f"{spell(low)} to {spell(high)}", "headgate")
        return found

    return Shaped(BeforeValidator(read), {"type": ["string", "number"], "examples": [spell(min(max(low, 30), high))]})


def decimal(value: object) -> Decimal | None:
    """The number that a value spells, a percent as its hundredth; None if it spells none, or a negative one."""
    spelt = "" if isinstance(value, bool) or not isinstance(value, int | float | str) else str(value).strip()
    try:
        found = Decimal(spelt.removesuffix("%").rstrip()) / (100 if spelt.endswith("%") else 1)
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found < Decimal(10) ** 12 else None


def _percent(value: object) -> Decimal:
    """Percent, with the sign or without."""
    found = decimal(str(value).strip().removesuffix("%") if isinstance(value, str) else value)
    if found is None:
        raise reject("must be a percentage: 10, 0.5 or 10%.", "a percentage", "headgate")
    return found


def _share(value: object) -> int:
    hundredths = _percent(value) * 100
    if not 1 <= hundredths <= WHOLE or hundredths != int(hundredths):
        message = "must be a percentage above 0, at most 100, with two decimals at most."
        raise reject(message, "0.01 to 100", "headgate")
    return int(hundredths)


@dataclass(frozen=True, slots=True)
class Period:
    """How long each step of a ladder lasts."""

    seconds: float


def _pace(value: object) -> int | Period:
    found = seconds(value) if isinstance(value, str) and decimal(value) is None else None
    if found is None:
        return _share(value)
    if not 0 <= found <= MONTH:
        raise reject(f"must be from 0s to {spell(MONTH)}.", f"0s to {spell(MONTH)}", "headgate")
    return Period(found)


def whole_percent(low: int, high: int) -> object:
    """Annotation for a percentage without decimals."""

    def read(value: object) -> int:
        found = _percent(value)
        if not low <= found <= high or found != int(found):
            message = f"must be a whole percentage from {low} to {high}."
            raise reject(message, f"{low} to {high}", "headgate")
        return int(found)

    return Shaped(BeforeValidator(read), {"type": ["integer", "string"], "minimum": low, "maximum": high})


def proportion(low: float, high: float) -> object:
    """Annotation for a proportion: `1%` or 0.01."""

    def read(value: object) -> float:
        found = decimal(value)
        if found is None or not low <= found <= high:
            bounds = f"{low:g} to {high:g}"
            raise reject(f"must be a proportion from {bounds}, such as 1% or 0.01.", bounds, "headgate")
        return float(found)

    return Shaped(BeforeValidator(read), {"type": ["number", "string"], "examples": ["1%"]})


def _label(value: str) -> str:
    if not _NAME.fullmatch(value):
        message = "must start with a letter and have only letters, digits, hyphens and underscores, 63 at most."
        raise reject(message, _NAME.pattern, "headgate")
    return value


def _header(value: object) -> str:
    found = text(value).lower()
    if not _TOKEN.fullmatch(found):
        raise reject("is not the name of a header: letters, digits and hyphens.", "a header's name", "headgate")
    if found in _RESERVED or found.startswith("x-envoy-"):
        raise reject(f"may not be `{found}`, which has a meaning of its own here: choose another.", "", "headgate")
    return found


def _value(value: object) -> str:
    found = words(value)
    if not found or len(found) > _MAX_VALUE or not found.isascii() or not found.isprintable():
        message = f"must be 1 to {_MAX_VALUE} printable ASCII characters."
        raise reject(message, "text", "headgate")
    return found.strip()


def _cookie(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        message = "is not the name of a cookie: letters, digits, hyphens and underscores, without spaces or `=`."
        raise reject(message, "a cookie's name", "headgate")
    return value


Share = Annotated[
    int, BeforeValidator(_share), WithJsonSchema({"type": ["number", "string"], "examples": [10, "0.5%"]})
]
"""A share in hundredths of a percent, written as percent."""
Pace = Annotated[
    int | Period,
    BeforeValidator(_pace),
    WithJsonSchema({"type": ["number", "string"], "examples": [10, "2m"]}),
]
"""A share as above, or how long each lasts."""
Label = Annotated[Str, AfterValidator(_label)]
HeaderName = Annotated[str, BeforeValidator(_header), WithJsonSchema({"type": "string"})]
HeaderValue = Annotated[str, BeforeValidator(_value), WithJsonSchema({"type": ["string", "number"]})]
Cookie = Annotated[Str, AfterValidator(_cookie)]
