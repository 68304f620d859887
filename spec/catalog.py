"""What one commit asks for: endpoints with everything resolved, and what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spec.checks import Checks
from spec.policy import IMMEDIATE, RolloutPolicy
from spec.problem import Problem
from spec.release import Recipe, ReleaseRef

AuthMode = Literal["key", "aml_token"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should know about a deployment that serves all the same: shown as a condition."""

    reason: str
    """CamelCase, as in a condition: `BaseImageNotUsed`."""
    message: str


@dataclass(frozen=True, slots=True)
class ScaleSettings:
    """Azure's `scale_settings`."""

    type: Literal["default", "target_utilization"] = "default"
    min_instances: int = 1
    max_instances: int = 1
    target_utilization_percentage: int = 70
    polling_interval: int = 1


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """One deployment as Git asks for it."""

    name: str
    release: ReleaseRef
    recipe: Recipe
    instance_count: int
    file: str
    max_queue_wait_ms: int = 500
    scale_settings: ScaleSettings = ScaleSettings()
    tags: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    description: str = ""
    notes: tuple[Note, ...] = ()
    checks: Checks | None = None


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """One endpoint as Git asks for it; `traffic` is percent by deployment, without zero entries."""

    name: str
    auth_mode: AuthMode
    file: str
    traffic: tuple[tuple[str, int], ...] = ()
    mirror_traffic: tuple[tuple[str, int], ...] = ()
    """At most one pair."""
    deployments: tuple[DeploymentSpec, ...] = ()
    """Sorted by name."""
    public_network_access: bool = True
    tags: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    description: str = ""
    policy: RolloutPolicy = IMMEDIATE

    def deployment(self, name: str) -> DeploymentSpec | None:
        """The deployment of that name, or None."""
        return next((found for found in self.deployments if found.name == name), None)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A path that is there and of which nobody can tell what it asks for."""

    problem: Problem
    is_opaque: bool = False
    """Whether nobody can tell even what it is: a symlink, a submodule, or no text."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything one commit asks for.

    An endpoint is in `endpoints` (good), in `broken` (its files are there and wrong: it keeps its last good
    spec), or in neither (Git does not ask for it). While `unattributed` problems exist, the commit removes
    nothing.
    """

    commit: str
    endpoints: Mapping[str, EndpointSpec] = field(default_factory=dict)
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    unattributed: tuple[Problem, ...] = ()
    """Errors in files that could belong to any endpoint."""
    warnings: tuple[Problem, ...] = ()
    max_removed_share: float = 0.5
    """From the repository's settings: a commit that removes a larger share of endpoints is held."""
    unreadable: Mapping[str, Unreadable] = field(default_factory=dict)
    """YAML files, symlinks and submodules: what was declared there, or below, before is not removed by them."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, in file order."""
        broken = (problem for problems in self.broken.values() for problem in problems)
        return tuple(sorted({*broken, *self.unattributed, *self.warnings}))


def differing(before: Catalog, after: Catalog) -> frozenset[str]:
    """Names of endpoints whose spec or whose problems differ."""
    return _differing(before.endpoints, after.endpoints) | _differing(before.broken, after.broken)


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> frozenset[str]:
    if before is after:
        return frozenset()
    return frozenset(
        name
        for name in before.keys() | after.keys()
        if before.get(name) is not after.get(name) and before.get(name) != after.get(name)
    )
