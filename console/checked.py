"""What the checks in Git said of releases, and what they will be asked, as people and scripts get it. Pure."""

from collections.abc import Iterator

from console.rollouts import GateShape
from console.shapes import Checked
from reconciler.facts import CHECKS, checked_releases
from reconciler.plan import Seen
from reconciler.run import Run
from reconciler.state import Memory
from spec.catalog import EndpointSpec


def last(seen: Seen, release: str) -> Checked | None:
    """What the release's checks said last, as far as this Headgate asked them."""
    found = seen.examined.get((CHECKS, release))
    return Checked(verdict=found.verdict.value, message=found.message, at=found.at) if found else None


def verdicts(memory: Memory, seen: Seen, run: Run) -> Iterator[GateShape]:
    """The checks before a move's first share, as the gate that they are."""
    if run.begun and run.policy.gate(CHECKS) is not None:
        return
    for release in checked_releases(memory, run):
        found = seen.examined.get((CHECKS, release))
        if found is not None and found.at >= run.started:
            yield GateShape(
                gate=CHECKS, release=release, verdict=found.verdict.value, reason="Checked", message=found.message
            )
        elif not run.begun:
            message = "they run; nothing moves before they are good"
            yield GateShape(gate=CHECKS, release=release, verdict="inconclusive", reason="Checking", message=message)


def told(spec: EndpointSpec, seen: Seen, releases: frozenset[str]) -> Iterator[str]:
    """For each of these releases that has checks: what will be asked of it, and what came of that if it was."""
    for deployment in spec.deployments:
        checks, release = deployment.checks, deployment.release.name
        if checks is None or release not in releases:
            continue
        compared = sum(check.max_difference is not None for check in checks.checks)
        number = f"{len(checks.checks)} request{'s' if len(checks.checks) > 1 else ''}"
        text = f"{CHECKS}: {number} to {deployment.name} before its first share ({checks.file})"
        text += f", {compared} compared with the stable release" if compared else ""
        found = last(seen, release)
        yield f"{text}; {found.verdict}: {found.message}" if found else text
