"""Azure's common curated environments (its `azureml` registry) as pinned requirements."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Curated:
    """One curated environment: `version` is the table's own, and names this content for good."""

    name: str
    version: str
    python: str
    requirements: tuple[str, ...]
    """PEP 508 requirements; the inference server is not among them, since a runtime adds it where it is missing."""

    @property
    def key(self) -> str:
        """`name:version`, as `spec.release.Environment.curated` keeps it."""
        return f"{self.name}:{self.version}"


def find(name: str, version: str, extra: Mapping[str, Curated] | None = None) -> Curated | None:
    """Return the entry of that name, whatever its case; the repository's own entries go first.

    Azure republishes these images under ever new version numbers with the same content but for patches, so any
    number, and the label `latest`, mean the entry. Anything else is no version of it.
    """
    if not (version == "latest" or version.isdecimal()):
        return None
    own = {key.lower(): entry for key, entry in (extra or {}).items()}
    return own.get(name.lower()) or _shipped().get(name.lower())


def names() -> tuple[str, ...]:
    """Return the names of the shipped entries, sorted."""
    return tuple(sorted(entry.name for entry in _shipped().values()))


@cache
def _shipped() -> Mapping[str, Curated]:
    text = files("spec").joinpath("data/curated.toml").read_text("utf-8")
    document = tomllib.loads(text)
    sets: dict[str, list[str]] = document["sets"]
    entries = [_entry(name, row, sets) for name, row in document["environments"].items()]
    return {entry.name.lower(): entry for entry in entries}


def _entry(name: str, row: Mapping[str, str], sets: Mapping[str, list[str]]) -> Curated:
    chosen = row.get("sets", "").split()
    requirements = tuple(line for part in chosen for line in sets[part])
    return Curated(name, row.get("version", "1"), row["python"], requirements)
