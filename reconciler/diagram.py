"""The phases of an endpoint as a Mermaid diagram, recorded from the code (`python -m reconciler.diagram`)."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product

from reconciler.decide import NO_AUTH, decide
from reconciler.plan import Seen, Want
from reconciler.rollout import Facts, advance
from reconciler.state import Memory, Phase, Removing, Reverting, Settled, Shifting, Split, Warming
from router.table import RouteSeen

_NOW = datetime(2000, 1, 1, tzinfo=UTC)
_NONE: Split = ()
_BASE: Split = (("blue@1", 10_000),)
_NEXT: Split = (("blue@2", 10_000),)
_NEWER: Split = (("blue@3", 10_000),)
_PHASES: tuple[Phase, ...] = (
    Settled(_BASE),
    Warming(_BASE, _NEXT, _NOW),
    Shifting(_BASE, _NEXT, _NOW),
    Shifting(_NONE, _NEXT, _NOW),
    Reverting(_BASE, _NOW),
    Removing(_NOW),
    Removing(_NOW, acknowledged=_NOW),
)
_TARGETS = (None, _NONE, _BASE, _NEXT, _NEWER)
_READY = (frozenset[str](), frozenset({"blue@1", "blue@2", "blue@3"}))


def render() -> str:
    """Every transition of `advance` over all phases and facts, labelled with its reason."""
    begin = Memory("fraud").phase.kind
    edges = [("[*]", begin, "first seen in Git"), *sorted(set(_transitions())), *_ends()]
    lines = [f"    {source} --> {target}: {reason}" for source, target, reason in edges]
    return "\n".join(["stateDiagram-v2", *lines]) + "\n"


def _transitions() -> Iterator[tuple[str, str, str]]:
    for phase, target, ready, acknowledged in product(_PHASES, _TARGETS, _READY, (False, True)):
        step = advance(phase, Facts(target, ready, ready, acknowledged, _NOW))
        if step.phase != phase:
            yield phase.kind, step.phase.kind, step.because[0]


def _ends() -> list[tuple[str, str, str]]:
    """The edge out of the diagram, where a decision keeps nothing of the endpoint."""
    seen = Seen(RouteSeen(None, 1, 1), {})
    gone = Memory("fraud", phase=Removing(_NOW, acknowledged=_NOW))
    plan = decide(Want("commit", None, NO_AUTH), seen, gone, _NOW)
    return [("removing", "[*]", "drained and stopped")] if plan.memory is None else []


if __name__ == "__main__":
    sys.stdout.write(render())
