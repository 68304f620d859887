"""Both loaders' outcomes side by side: agreement, documented differences, or a disagreement."""

import copy
import json
from collections.abc import Iterator

import yaml

from spec.conda import canonical_json
from tests.parity import headgate, leniency, refusals
from tests.parity.azure import Azure
from tests.parity.plain import Parts, Value, decode

DEFAULTS: dict[str, object] = {
    "public_network_access": "enabled",
    "egress_public_network_access": "enabled",
    "private_network_connection": False,
    "instance_count": 1,
    "request_settings.request_timeout_ms": 5000,
    "request_settings.max_concurrent_requests_per_instance": 1,
    "request_settings.max_queue_wait_ms": 500,
    "liveness_probe.initial_delay": 10,
    "liveness_probe.period": 10,
    "liveness_probe.timeout": 2,
    "liveness_probe.success_threshold": 1,
    "liveness_probe.failure_threshold": 30,
    "readiness_probe.initial_delay": 10,
    "readiness_probe.period": 10,
    "readiness_probe.timeout": 2,
    "readiness_probe.success_threshold": 1,
    "readiness_probe.failure_threshold": 30,
    "scale_settings.min_instances": 1,
    "scale_settings.max_instances": 1,
    "scale_settings.target_utilization_percentage": 70,
    "scale_settings.polling_interval": 1,
    "environment.build.dockerfile_path": "Dockerfile",
    "environment.os_type": "linux",
    "data_collector.rolling_rate": "hour",
    "data_collector.sampling_rate": 1.0,
}
"""What Azure's service gives to what is left out."""
_NOTHING: tuple[object, ...] = (None, "", {}, [])
_ROUTES = {"livenessRoute": "liveness_route", "readinessRoute": "readiness_route", "scoringRoute": "scoring_route"}
_UNCOMPARED = {
    "environment": ("id", "path", "properties", "auto_delete_setting"),
    "model": ("id", "auto_delete_setting"),
}
"""Of Azure's objects: what no key sets, and what no key is read for here."""


class DisagreementError(AssertionError):
    """The loaders differ, and no documented difference says so."""


def examine(azure: Azure, kind: str, text: str) -> set[str]:
    """The documented differences that the text shows; raises `DisagreementError` for any other."""
    theirs, ours = azure.load(kind, text), headgate.load(kind, text)
    if theirs.network:
        raise DisagreementError(f"azure-ai-ml reached for the network: {theirs.network}\n{text}")
    if not theirs.accepted and not ours.accepted:
        return set()
    if not ours.accepted:
        return {_named(refusals.explain(kind, one), f"refused: {one}", text) for one in ours.refusals}
    shown: set[str] = set()
    hidden: set[str] = set()
    if not theirs.accepted:
        data, shown, hidden = leniency.rewrite(kind, copy.deepcopy(yaml.safe_load(text)))
        again = azure.load(kind, yaml.safe_dump(data, sort_keys=False))
        if not shown or not again.accepted:
            raise DisagreementError(f"taken, and Azure says: {(again if shown else theirs).error}\n{text}")
        theirs = again
    values = normalise(kind, decode(theirs.values))
    for path, found, expected in _differing(values, ours.values, ""):
        if path not in hidden:
            name = explain(path, found, expected, text)
            shown.add(_named(name, f"{path}: Azure {found!r}, Headgate {expected!r}", text))
    return shown


def _named(name: str | None, what: str, text: str) -> str:
    if name is None:
        raise DisagreementError(f"{what}\n{text}")
    return name


def normalise(kind: str, values: Parts) -> Parts:
    """Azure's values under the names and in the forms that Headgate has them in."""
    if kind == "endpoint":
        if values["identity"] is not None:
            given = values["identity"]["user_assigned_identities"] or []
            keys = ("resource_id", "client_id", "object_id")
            values["identity"]["user_assigned_identities"] = [Parts((key, one[key]) for key in keys) for one in given]
        return values
    values["type"] = values["type"].lower()
    for key, dropped in _UNCOMPARED.items():
        for name in dropped if isinstance(values[key], Parts) else ():
            values[key].pop(name, None)
    if isinstance(values["environment"], Parts):
        _normalise_environment(values["environment"])
    for one in ((values["data_collector"] or {}).get("collections") or {}).values():
        one.pop("sampling_rate")  # the collector's own, copied
        one["enabled"] = {"true": True, "false": False}[one["enabled"]]
    return values


def _normalise_environment(environment: Parts) -> None:
    if environment.get("inference_config") is not None:
        routes = environment["inference_config"]
        environment["inference_config"] = Parts((_ROUTES[name], Parts(route)) for name, route in routes.items())
    if environment.get("conda_file"):
        environment["conda_file"] = json.loads(canonical_json(environment["conda_file"]))


def _differing(theirs: Value, ours: Value, path: str) -> Iterator[tuple[str, Value, Value]]:
    """Paths at which the two differ, with both values; what is left out equals what is empty."""
    mixed = isinstance(ours, Parts) or (
        isinstance(theirs, dict) and any(isinstance(x, Parts) for x in theirs.values())
    )
    if mixed and (theirs is None or isinstance(theirs, dict)) and isinstance(ours, dict):
        given = theirs or {}
        for name in dict.fromkeys([*given, *ours]):
            yield from _differing(given.get(name), ours.get(name), f"{path}.{name}".removeprefix("."))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differing(one, other, f"{path}.{index}")
    elif not _same(theirs, ours) and not (theirs in _NOTHING and ours in _NOTHING):
        yield path, theirs, ours


def _same(one: Value, other: Value) -> bool:
    """Equal, and of equal type: 1 is neither true nor 1.0."""
    if isinstance(one, float) and one != one:  # noqa: PLR0124 - not a number
        return repr(one) == repr(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(item, other[key]) for key, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def explain(path: str, found: Value, expected: Value, text: str) -> str | None:
    """The documented difference of one value, if it is one."""
    if found is None and path in DEFAULTS and _same(expected, DEFAULTS[path]):
        return "defaults"
    match path:
        case "traffic" | "mirror_traffic" if expected == {name: share for name, share in found.items() if share}:
            return "zero-shares"
        case "endpoint_name" if isinstance(found, str) and expected == found.lower():
            return "endpoint-name-case"
        case "environment.conda_file" if str(_written(text, "environment", "conda_file")).endswith(".txt"):
            return "requirements-file"
        case "environment.version" if found is None and not _written(text, "environment", "name"):
            return "unnamed-environment"
        case _:
            return None


def _written(text: str, *path: str) -> Value:
    """What the text says at a path, or None."""
    value = yaml.safe_load(text)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
