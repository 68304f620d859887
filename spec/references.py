"""References to models and environments: `azureml:NAME:VERSION` and its other forms."""

import re
from dataclasses import dataclass
from typing import Literal

AssetKind = Literal["model", "environment"]

_ASSET = re.compile(
    r"/(?P<kind>models|environments)/(?P<name>[^/]+)(?:/(?P<by>versions|labels)/(?P<which>[^/]+))?/?\Z", re.IGNORECASE
)
_REMOTE = re.compile(r"azureml://(?:jobs|datastores|subscriptions/.*/datastores)/|runs:/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name with a version, or with the label `latest`."""

    kind: AssetKind
    name: str
    version: str | None = None
    """None: the latest."""
    label: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What an index of assets finds it by."""
        return (self.kind, self.name)


def read(text: str, kind: AssetKind) -> Reference | None:
    """The reference that the text spells, `kind` where it does not say; None if it is none."""
    found = _ASSET.search(text)
    is_registry = "//" in text
    if found is not None and (is_registry or ("subscriptions/" in text.lower() and found["by"] == "versions")):
        named: AssetKind = "model" if found["kind"].lower() == "models" else "environment"
        is_label = (found["by"] or "").lower() == "labels"
        return Reference(
            named, found["name"], None if is_label else found["which"], found["which"] if is_label else None
        )
    rest = text.removeprefix("azureml:")
    if "/" in rest:
        return None
    name, at, label = rest.rpartition("@")
    if at:
        return Reference(kind, name, None, label) if name and label else None
    name, _, version = rest.partition(":")
    return Reference(kind, name, version or None) if name else None


def is_remote(text: str) -> bool:
    """Whether the text names files that live in Azure and not in a repository."""
    return _REMOTE.match(text) is not None


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `10` after `9` and `1.10` after `1.9`; text sorts after numbers."""
    parts = re.findall(r"\d+|[^\d.]+", version)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
