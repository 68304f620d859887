"""When steps may be taken: windows, freezes, and their time zone."""

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from spec.fields import Str, reject, text
from spec.findings import Scope
from spec.near import suggestion
from spec.policy import Freeze, Window
from spec.rollout.words import Own

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_MIDNIGHT = 24 * 60
_SHORT = 3
_YEARS = range(2000, 2200)


def _minutes(value: object) -> int:
    if not isinstance(value, str):
        raise reject('must be a time of day in quotes, such as "09:00".', '"00:00" to "24:00"', "headgate")
    found = _TIME.fullmatch(value.strip())
    if found is None and value.strip() != "24:00":
        raise reject('must be a time of day such as "09:00".', '"00:00" to "24:00"', "headgate")
    return _MIDNIGHT if found is None else int(found[1]) * 60 + int(found[2])


def _days(value: object) -> tuple[int, ...]:
    """`mon`, `monday`, `mon-fri`, `fri-mon`."""
    first, _, last = text(value).lower().replace(" ", "").partition("-")
    start, end = _day(first), _day(last or first)
    return tuple((start + offset) % 7 for offset in range((end - start) % 7 + 1))


def _day(word: str) -> int:
    found = [index for index, name in enumerate(DAYS) if len(word) >= _SHORT and name.startswith(word)]
    if not found:
        raise reject("must be a day or a span of days: mon, sat-sun.", "mon to sun", "headgate")
    return found[0]


def _moment(value: object) -> datetime | date:
    """A date, or a date with time, without offset."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == len("2026-12-20") else datetime.fromisoformat(value)
        except ValueError:
            value = None
    has_offset = isinstance(value, datetime) and value.tzinfo is not None
    if not isinstance(value, date) or has_offset or value.year not in _YEARS:
        message = "must be a date or a date with time and without offset: 2026-12-20, 2026-12-20T18:00."
        raise reject(message, "a date", "headgate")
    return value


_TimeOfDay = Annotated[int, BeforeValidator(_minutes), WithJsonSchema({"type": "string", "examples": ["09:00"]})]
_Moment = Annotated[Any, BeforeValidator(_moment), WithJsonSchema({"type": "string", "examples": ["2026-12-20"]})]
_Days = Annotated[
    tuple[int, ...], BeforeValidator(_days), WithJsonSchema({"type": "string", "examples": ["mon-fri"]})
]


class WindowFields(Own):
    """A weekly time in which steps may be taken."""

    days: list[_Days] | None = Field(
        default=None, description="Days on which it starts: `mon-fri`, `sat`. Default: all."
    )
    start: _TimeOfDay | None = Field(default=None, alias="from", description="Its start. Default: `00:00`.")
    end: _TimeOfDay | None = Field(
        default=None, alias="to", description="Its end; not after `from`: on the next day. Default: `24:00`."
    )


class FreezeFields(Own):
    """A time in which no step is taken."""

    start: _Moment = Field(alias="from", description="Its start; a date alone begins at 00:00.")
    end: _Moment = Field(alias="to", description="Its end; a date alone is meant with its whole day.")
    reason: Str = Field(default="", description="Why; shown while it holds.")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = suggestion(value, available_timezones())
        message = f"must be the name of a time zone, such as Europe/Berlin or UTC.{hint}"
        raise reject(message, "a name of the IANA time zone database", "headgate") from error
    return value


Zone = Annotated[Str, AfterValidator(_zone)]


def windows(scope: Scope, fields: list[WindowFields]) -> tuple[Window, ...]:
    """The windows, with problems of those that never open."""
    for index, one in enumerate(fields):
        if one.days == []:
            scope.error(f"`{scope.name(index, 'days')}` is empty: list days, or delete the key.", index, "days")
    return tuple(_window(one) for one in fields)


def _window(fields: WindowFields) -> Window:
    days = tuple(range(7)) if fields.days is None else tuple(sorted({day for span in fields.days for day in span}))
    return Window(days, (fields.start or 0) % _MIDNIGHT, _MIDNIGHT if fields.end is None else fields.end)


def freezes(scope: Scope, fields: list[FreezeFields]) -> tuple[Freeze, ...]:
    """The freezes, with problems of those that end before they start."""
    found = tuple(Freeze(_start(one.start), _end(one.end), one.reason) for one in fields)
    for index, one in enumerate(found):
        if one.end <= one.start:
            message = f"`{scope.name(index, 'to')}` must be after `from`."
            scope.error(message, index, "to", found=fields[index].end, allowed=f"after {one.start}")
    return found


def _start(moment: datetime | date) -> str:
    return moment.isoformat(timespec="seconds") if isinstance(moment, datetime) else f"{moment.isoformat()}T00:00:00"


def _end(moment: datetime | date) -> str:
    return _start(moment if isinstance(moment, datetime) else moment + timedelta(days=1))
