"""What only Headgate takes, rewritten to what Azure takes too: it must then load to the same."""

from collections.abc import Callable, Iterator
from typing import Any

from spec import references

_DROPPED = (
    "$schema",
    "kind",
    "creation_context",
    "utc_time_created",
    "job_name",
    "latest_version",
    "intellectual_property",
)

Rewriter = Callable[[dict[Any, Any]], Iterator[str]]
"""Mends the data in place; yields, for each thing mended, the path whose value is not compared (or nothing, ``)."""


def rewrite(kind: str, data: dict[Any, Any]) -> tuple[dict[Any, Any], set[str], set[str]]:
    """The mended data, the differences that were in it, and the paths that cannot be compared any more."""
    shown: set[str] = set()
    hidden: set[str] = set()
    for name, mend in {**_COMMON, **(_DEPLOYMENT if kind == "deployment" else {})}.items():
        paths = list(mend(data))
        shown |= {name} if paths else set()
        hidden |= set(paths) - {""}
    return data, shown, hidden


def _mappings(data: dict[Any, Any], *path: str) -> Iterator[dict[Any, Any]]:
    """The mapping at a path, `*` standing for every key; nothing where there is none."""
    if not path:
        yield data
        return
    for key in list(data) if path[0] == "*" else [path[0]]:
        if isinstance(data.get(key), dict):
            yield from _mappings(data[key], *path[1:])


def _enabled(data: dict[Any, Any]) -> Iterator[str]:
    for one in _mappings(data, "data_collector", "collections", "*"):
        if isinstance(one.get("enabled"), bool):
            one["enabled"] = str(one["enabled"])
            yield ""


def _versions(data: dict[Any, Any]) -> Iterator[str]:
    for one in _mappings(data, "data_collector", "collections", "*", "data"):
        if isinstance(one.get("version"), int | float) and not isinstance(one["version"], bool):
            one["version"] = str(one["version"])
            yield ""


def _rolling(data: dict[Any, Any]) -> Iterator[str]:
    for one in _mappings(data, "data_collector"):
        if str(one.get("rolling_rate")).lower() in ("month", "year"):
            one["rolling_rate"] = "hour"
            yield "data_collector.rolling_rate"


def _resources(data: dict[Any, Any]) -> Iterator[str]:
    for one in _mappings(data, "resources", "*"):
        for key in ("cpu", "memory", "gpu", "nvidia.com/gpu"):
            if isinstance(one.get(key), int | float) and not isinstance(one[key], bool):
                one[key] = str(one[key])
                yield ""


def _endpoint_name(data: dict[Any, Any]) -> Iterator[str]:
    if "endpoint_name" not in data:
        data["endpoint_name"] = "any"
        yield "endpoint_name"


def _registry(data: dict[Any, Any]) -> Iterator[str]:
    for key, kind in (("model", "model"), ("environment", "environment")):
        written = data.get(key)
        if (
            data.get("type") == "kubernetes"
            and isinstance(written, str)
            and written.startswith("azureml://registries/")
        ):
            found = references.read(written, "model" if kind == "model" else "environment")
            assert found is not None
            suffix = f":{found.version}" if found.version else f"@{found.label}" if found.label else ""
            data[key] = f"azureml:{found.name}{suffix}"
            yield ""


def _empty(data: dict[Any, Any]) -> Iterator[str]:
    for path in ((), ("model",), ("environment",), ("code_configuration",)):
        for one in _mappings(data, *path):
            for key in (*_DROPPED, *(("id",) if path == ("model",) else ())):
                if key in one and one[key] is None:
                    del one[key]
                    yield ""


def _creation_context(data: dict[Any, Any]) -> Iterator[str]:
    if data.get("type") == "kubernetes" and data.pop("creation_context", None) is not None:
        yield ""


def _unused(data: dict[Any, Any]) -> Iterator[str]:
    for one in _mappings(data, "environment"):
        for key in ("id", "auto_delete_setting"):
            if one.pop(key, None) is not None:
                yield ""


_COMMON: dict[str, Rewriter] = {"empty-dropped-key": _empty}
_DEPLOYMENT: dict[str, Rewriter] = {
    "bare-enabled": _enabled,
    "collector-version": _versions,
    "rolling-rates": _rolling,
    "resource-numbers": _resources,
    "no-endpoint-name": _endpoint_name,
    "kubernetes-registry": _registry,
    "creation-context": _creation_context,
    "unused-unchecked": _unused,
}
NAMES = {*_COMMON, *_DEPLOYMENT}
"""Every difference that is mended here."""
