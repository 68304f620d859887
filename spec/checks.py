"""Checks in Git: requests to a deployment, and what their answers must be, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One request, and what holds for its answer."""

    name: str
    body: str = ""
    method: str = "POST"
    path: str = "/score"
    """Below the endpoint, as clients write it."""
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    status: int = 200
    schema: str = ""
    """A JSON Schema as JSON text, or nothing."""
    expect: str = ""
    """The answer as JSON text, or nothing; numbers may differ by `tolerance`."""
    tolerance: float = 0.0
    """Absolute difference of numbers that is no difference."""
    max_difference: float | None = None
    """Absolute difference of numbers from the stable release's answer that is allowed; None: not compared."""
    timeout_s: float = 30


@dataclass(frozen=True, slots=True)
class Checks:
    """All checks of one deployment."""

    file: str
    checks: tuple[Check, ...]
    digest: str
    """Twelve hex digits of the content's SHA-256."""
    max_changed: int | None = None
    """How many answers may differ from the stable release's beyond `max_difference`; None: none may."""
