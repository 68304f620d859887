"""Requests of Headgate's own about a release, as data: a gate's confirmation, checks in Git, warming up."""

from dataclasses import dataclass
from typing import Literal

from observability.verdict import Verdict
from spec.checks import Checks

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Examination:
    """One thing to find out, with everything that is needed for it."""

    kind: Literal["http", "checks", "warmup"]
    endpoint: str
    release: str
    replicas: tuple[Address, ...] = ()
    """The candidate's ready replicas; requests go to them directly, at the container's own paths."""
    stable: tuple[Address, ...] = ()
    """Ready replicas of the stable release of the same deployment, or of the largest stable one."""
    paths: tuple[str, str, str] = ("/score", "/swagger.json", "/")
    """The containers' scoring path, OpenAPI path, and base for any other path."""
    checks: Checks | None = None
    url: str = ""
    timeout_s: float = 10
    requests: int = 0
    """Of `warmup`: at most so many to each replica, until latency is steady."""
    for_s: float = 0
    """Of `warmup`: at most so long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found out. `ERROR`: it could not be."""

    verdict: Verdict
    message: str
    """For people: "3 of 50 answers change, at most by 0.4"."""
