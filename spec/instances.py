"""Azure's common VM sizes as instance types."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from spec.release import InstanceType

GIB = 1 << 30

DEFAULT = InstanceType("defaultinstancetype", cpu=2.0, memory=2 * GIB)
"""What Azure's Kubernetes extension gives a deployment that names no instance type (its limits)."""


def find(name: str, extra: Mapping[str, InstanceType] | None = None) -> InstanceType | None:
    """Return the instance type of that name, whatever its case; the repository's own types go first."""
    own = {key.lower(): size for key, size in (extra or {}).items()}
    return own.get(name.lower()) or _shipped().get(name.lower())


def names() -> tuple[str, ...]:
    """Return the names of the shipped sizes, sorted."""
    return tuple(sorted(size.name for size in _shipped().values()))


@cache
def _shipped() -> Mapping[str, InstanceType]:
    text = files("spec").joinpath("data/instances.toml").read_text("utf-8")
    rows: dict[str, list[float]] = tomllib.loads(text)["sizes"]
    sizes = (_size(name, *row) for name, row in rows.items())
    return {size.name.lower(): size for size in (*sizes, DEFAULT)}


def _size(name: str, cores: float, gibibytes: float, gpus: float = 0) -> InstanceType:
    return InstanceType(name, float(cores), int(gibibytes * GIB), int(gpus))
