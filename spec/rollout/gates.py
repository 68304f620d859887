"""The gates of a policy."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from spec.durations import milliseconds
from spec.fields import Bool, Int, Str, Words, between, choice, reject
from spec.findings import Scope
from spec.policy import Gate, Metric
from spec.rollout.words import Label, Own, decimal, duration

MAX_GATES = 20
_METRICS: dict[str, tuple[Metric, float | None]] = {
    "error_rate": ("error_rate", None),
    "latency_p50": ("latency", 0.5),
    "latency_p90": ("latency", 0.9),
    "latency_p95": ("latency", 0.95),
    "latency_p99": ("latency", 0.99),
    "http": ("http", None),
    "checks": ("checks", None),
}
_OUTCOMES = ("5xx", "408", "reset", "4xx")
_MEASURED = ("max", "compare", "tolerance", "test", "min_requests", "not_enough_traffic")
"""Fields that only a gate on live requests has."""
_POLLED = ("interval", "failure_limit", "success_limit", "error_limit")
"""Fields that only a gate with single measurements has."""


def _outcome(value: str) -> str:
    if value.lower() not in _OUTCOMES:
        listed = ", ".join(_OUTCOMES)
        raise reject(f"must be one of: {listed}.", listed, "headgate")
    return value.lower()


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_whole = False
    if not is_whole or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise reject("must be a URL that starts with http:// or https://.", "http://HOST/PATH", "headgate")
    if "@" in parts.netloc:
        raise reject(
            "holds a password, which does not belong in Git: use an address that needs none.",
            "http://HOST/PATH",
            "headgate",
        )
    return value


class GateFields(Own):
    """What must hold to leave a step, and after the promotion while it is watched."""

    name: Label = Field(description="Its name, unique in the policy.")
    metric: Annotated[str, choice(*_METRICS)] = Field(default="error_rate", description="What is judged.")
    max: Words | None = Field(
        default=None, description="The most that is allowed: `2%` or 0.02 of an error rate, `250ms` of a latency."
    )
    compare: Annotated[Literal["stable"], choice("stable")] | None = Field(
        default=None, description="Judge against the stable release at the same time."
    )
    tolerance: Words | None = Field(
        default=None,
        description="With `compare`, how much worse is allowed: `1%` more errors, or `20%` slower. Default: 0.",
    )
    outcomes: list[Annotated[Words, AfterValidator(_outcome)]] | None = Field(
        default=None, description="What counts as an error: `5xx`, `408`, `reset`, `4xx`. Default: the first three."
    )
    test: Annotated[Literal["sequential", "threshold"], choice("sequential", "threshold")] | None = Field(
        default=None,
        description="`sequential` looks all the time; `threshold` once an `interval`. Default: sequential.",
    )
    interval: Annotated[float, duration(1, 3600)] | None = Field(
        default=None, description="Time between measurements of `http`, `checks` and `threshold`. Default: 10s."
    )
    failure_limit: Annotated[Int, between(0, 1000, kind="headgate")] | None = Field(
        default=None, description="Bad measurements that are tolerated. Default: 0."
    )
    success_limit: Annotated[Int, between(1, 1000, kind="headgate")] | None = Field(
        default=None, description="Good measurements in a row that make the gate good. Default: 1."
    )
    error_limit: Annotated[Int, between(0, 1000, kind="headgate")] | None = Field(
        default=None, description="Measurements in a row that may fail to be taken. Default: 4."
    )
    min_requests: Annotated[Int, between(1, 1_000_000, kind="headgate")] | None = Field(
        default=None, description="Fewer answers of the candidate are not enough traffic. Default: 10."
    )
    not_enough_traffic: (
        Annotated[Literal["hold", "extend", "proceed"], choice("hold", "extend", "proceed")] | None
    ) = Field(
        default=None,
        description="`hold`; `extend` the step up to three times, then hold; or `proceed`. Default: extend.",
    )
    dry_run: Bool = Field(default=False, description="Report, and decide nothing.")
    url: Annotated[Str, AfterValidator(_url)] | None = Field(
        default=None, description="Of `http`: GET this from where Headgate runs; a 2xx answer is good."
    )
    timeout: Annotated[float, duration(0.1, 300)] | None = Field(
        default=None, description="Of `http` and `checks`: how long to wait for an answer. Default: 10s."
    )


def resolve(scope: Scope, fields: list[GateFields]) -> tuple[Gate, ...]:
    """The gates, with problems where they contradict themselves or each other."""
    if len(fields) > MAX_GATES:
        scope.error(f"`gates` must have {MAX_GATES} gates at most.", allowed=f"{MAX_GATES} at most")
    first: dict[str, int] = {}
    for index, one in enumerate(fields):
        if first.setdefault(one.name, index) != index:
            message = f"Two gates have the name `{one.name}`: rename one."
            scope.error(message, index, "name", found=one.name)
    return tuple(_gate(scope.below(index), one) for index, one in enumerate(fields))


def _gate(scope: Scope, fields: GateFields) -> Gate:
    metric, quantile = _METRICS[fields.metric]
    _check(scope, fields, metric)
    read = _latency if metric == "latency" else _rate
    written = {
        "interval_s": fields.interval,
        "failure_limit": fields.failure_limit,
        "success_limit": fields.success_limit,
        "error_limit": fields.error_limit,
        "min_requests": fields.min_requests,
        "starved": fields.not_enough_traffic,
        "test": fields.test,
        "url": fields.url,
        "timeout_s": fields.timeout,
        "outcomes": tuple(dict.fromkeys(fields.outcomes)) if fields.outcomes else None,
        "max": _amount(scope, fields.max, "max", read),
        "tolerance": _amount(scope, fields.tolerance, "tolerance", _factor if metric == "latency" else _rate),
    }
    given = {name: value for name, value in written.items() if value is not None}
    return Gate(
        name=fields.name,
        metric=metric,
        quantile=quantile,
        compare_stable=fields.compare is not None,
        dry_run=fields.dry_run,
        **given,  # type: ignore[arg-type] # the names and types are those just above
    )


def _check(scope: Scope, fields: GateFields, metric: Metric) -> None:
    is_live = metric in ("error_rate", "latency")
    for name in _alien(fields, metric):
        is_polled = name in _POLLED and is_live
        cause = "without `test: threshold`" if is_polled else f"with `metric: {fields.metric}`"
        scope.error(f"`{scope.name(name)}` has no meaning {cause}: delete it.", name)
    if is_live and fields.max is None and fields.compare is None:
        scope.error(f"The gate `{fields.name}` needs `max`, or `compare: stable`, or both.", allowed="max, compare")
    if metric == "http" and fields.url is None:
        scope.error(f"The gate `{fields.name}` needs `url`: the address that is asked.", allowed="url")
    if is_live and fields.tolerance is not None and fields.compare is None:
        scope.error(f"`{scope.name('tolerance')}` goes only with `compare: stable`.", "tolerance")
    if fields.outcomes == []:
        scope.error("`outcomes` is empty: list what counts as an error.", "outcomes", allowed=", ".join(_OUTCOMES))


def _alien(fields: GateFields, metric: Metric) -> Iterator[str]:
    """The fields that are given and mean nothing for this metric."""
    is_live = metric in ("error_rate", "latency")
    polled = _POLLED if is_live and fields.test != "threshold" else ()
    names = [*polled, "url", "timeout"] if is_live else [*_MEASURED, "outcomes"]
    names += ["outcomes"] if metric == "latency" else []
    names += ["url"] if metric == "checks" else []
    return (name for name in names if getattr(fields, name) is not None)


def _amount(scope: Scope, value: str | None, name: str, read: Callable[[str], float | str]) -> float | None:
    found = None if value is None else read(value)
    if isinstance(found, str):
        scope.error(f"`{scope.name(name)}` must be {found}.", name, found=value, allowed=found)
        return None
    return found


def _rate(value: str) -> float | str:
    """Of all requests; a number that looks like percent without its sign is refused, not guessed."""
    found = decimal(value)
    return float(found) if found is not None and found < 1 else "a proportion below 1, such as 2% or 0.02"


def _factor(value: str) -> float | str:
    found = decimal(value)
    return float(found) if found is not None and found <= 10 else "a proportion such as 20% or 0.2"  # noqa: PLR2004


def _latency(value: str) -> float | str:
    found = milliseconds(value)
    return found if found is not None and 0 < found <= 3_600_000 else "a time with its unit, such as 250ms or 2s"  # noqa: PLR2004
