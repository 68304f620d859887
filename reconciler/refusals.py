"""What was tried and refused, and what is asked for instead. Pure."""

from collections.abc import Iterable

from reconciler.run import Refusal
from reconciler.split import Split
from reconciler.state import Memory, base_of
from spec.catalog import EndpointSpec
from spec.policy import RolloutPolicy

KEPT = 20
"""Refusals remembered of one endpoint."""


def active(memory: Memory, policy: RolloutPolicy) -> tuple[Refusal, ...]:
    """The refusals that hold: another policy, or other checks, may judge otherwise, and so clear them."""
    checks = digest_of_checks(memory.spec)
    return tuple(refusal for refusal in memory.refused if refusal.policy == policy and refusal.checks in ("", checks))


def digest_of_checks(spec: EndpointSpec | None) -> str:
    """Of all checks of an endpoint."""
    return ",".join(found.checks.digest if found.checks else "-" for found in spec.deployments) if spec else ""


def add(refused: tuple[Refusal, ...], refusal: Refusal) -> tuple[Refusal, ...]:
    """The refusals with one more; the oldest are forgotten."""
    rest = (known for known in refused if known.target != refusal.target)
    return (*rest, refusal)[-KEPT:]


def against(target: Split, refused: Iterable[Refusal]) -> Refusal | None:
    """The refusal of exactly this split, or of a release in it."""
    found = tuple(refused)
    exact = (refusal for refusal in found if refusal.target == target)
    guilty = (refusal for refusal in found if set(refusal.guilty) & set(dict(target)))
    return next(exact, None) or next(guilty, None)


def effective(target: Split, memory: Memory, policy: RolloutPolicy) -> Split:
    """T without what was refused: exactly that T leaves all as it is, and a guilty release its predecessor.

    Where all as it is means that nobody is served, the predecessors are, as in any other T.
    """
    refused = active(memory, policy)
    if not refused:
        return target
    base = base_of(memory.phase)
    is_exact = any(refusal.target == target for refusal in refused)
    if is_exact and base:
        return base
    guilty = shunned(memory, policy)
    promoted = dict(memory.promoted)
    shares: dict[str, int] = {}
    for release, share in target:
        deployment = release.split("@", 1)[0]
        name = promoted.get(deployment, release) if release in guilty else release
        shares[name] = shares.get(name, 0) + share
    found = tuple(sorted(shares.items()))
    return base if is_exact and found == target else found


def shunned(memory: Memory, policy: RolloutPolicy) -> frozenset[str]:
    """Releases that were refused and that nothing good is known of: they get no replicas."""
    refused = frozenset(name for refusal in active(memory, policy) for name in refusal.guilty)
    return refused - frozenset(release for _, release in memory.promoted)
