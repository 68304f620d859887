"""The phases of an endpoint as a Mermaid diagram, recorded from the code (`python -m reconciler.diagram`)."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

from observability.verdict import Verdict
from reconciler.command import obey
from reconciler.decide import NO_AUTH, decide
from reconciler.ladder import Looks
from reconciler.orders import KINDS, Order
from reconciler.plan import Seen, Want
from reconciler.rollout import advance
from reconciler.run import Run, Said, Watch
from reconciler.split import Split
from reconciler.state import Memory, Paused, Phase, Removing, Reverting, Settled, Shifting, Warming
from reconciler.transition import Facts
from router.table import RouteSeen
from spec.policy import BUILT_IN, IMMEDIATE, Pause, RolloutPolicy, Weight

_NOW = datetime(2000, 1, 1, tzinfo=UTC)
_LATER = _NOW + timedelta(minutes=5)
_MUCH_LATER = _NOW + timedelta(days=2)
_NONE: Split = ()
_BASE: Split = (("blue@1", 10_000),)
_NEXT: Split = (("blue@2", 10_000),)
_NEWER: Split = (("blue@3", 10_000),)
_POLICY = RolloutPolicy(
    steps=(Weight(1000, 10), Pause(expires_s=86_400), Weight(5000, 10), Pause(for_s=10)), gates=BUILT_IN.gates
)
_RUN = Run(_BASE, _NEXT, _NOW, _NOW, _POLICY)
_AT = replace(_RUN, step=0, fraction=1000, sized=1000, carried=1000, entered=_NOW)
_PHASES: tuple[Phase, ...] = (
    Settled(_BASE),
    Settled(_NEXT, Watch(_BASE, _NOW + timedelta(hours=1), _NOW + timedelta(hours=1), _POLICY)),
    Warming(_RUN),
    Warming(Run(_BASE, _NEXT, _NOW, _NOW, IMMEDIATE)),
    Shifting(_AT),
    Shifting(replace(_AT, step=0, sized=1000, fraction=0, carried=0, entered=None)),
    Shifting(replace(_AT, step=1)),
    Shifting(replace(_AT, step=4, fraction=10_000, sized=10_000, carried=10_000)),
    Shifting(Run(_NONE, _NEXT, _NOW, _NOW, step=0, fraction=10_000, sized=10_000, carried=10_000)),
    Paused(replace(_AT, step=1)),
    Paused(replace(_AT, step=3)),
    Paused(_AT, manual=True),
    Reverting(_BASE, _NOW, _NEXT),
    Reverting(_BASE, _NOW, _NEXT, carried=False),
    Removing(_NOW),
    Removing(_NOW, acknowledged=_NOW),
)
_TARGETS = (None, _NONE, _BASE, _NEXT, _NEWER)
_READY = (frozenset[str](), frozenset({"blue@1", "blue@2", "blue@3"}), frozenset({"blue@2"}))
_SAID = (Verdict.GOOD, Verdict.BAD)


def render() -> str:
    """Every transition of `advance` over all phases and facts, labelled with its reason."""
    begin = Memory("fraud").phase.kind
    edges = [("[*]", begin, "first seen in Git"), *sorted(set(_transitions())), *_ends()]
    lines = [f"    {source} --> {target}: {reason}" for source, target, reason in edges]
    return "\n".join(["stateDiagram-v2", *lines]) + "\n"


def _transitions() -> Iterator[tuple[str, str, str]]:
    for phase, facts in product(_PHASES, tuple(_facts())):
        step = advance(phase, facts)
        if step.phase.kind != phase.kind:
            yield phase.kind, step.phase.kind, step.because[0]
    for phase, kind in product(_PHASES, KINDS):
        ready = Facts(_NEXT, _READY[1], _READY[1], acknowledged=True, now=_LATER, policy=_POLICY)
        ordered, _ = obey(phase, Order(kind, ""), ready)
        if ordered is not None and ordered.phase.kind != phase.kind:
            yield phase.kind, ordered.phase.kind, ordered.because[0]


def _facts() -> Iterator[Facts]:
    for target, ready, acknowledged, now in product(_TARGETS, _READY, (False, True), (_LATER, _MUCH_LATER)):
        for verdict in _SAID:
            looks = Looks((Said("errors", "blue@2", verdict, "Undecided", ""),))
            yield Facts(target, ready, ready, acknowledged, now, policy=_POLICY, looks=looks)
    for verdict in _SAID:
        checked = {"blue@2": Said("checks", "blue@2", verdict, "Checked", "")}
        yield Facts(_NEXT, _READY[1], _READY[1], acknowledged=True, now=_LATER, policy=_POLICY, checked=checked)


def _ends() -> list[tuple[str, str, str]]:
    """The edge out of the diagram, where a decision keeps nothing of the endpoint."""
    seen = Seen(RouteSeen(None, 1, 1), {})
    gone = Memory("fraud", phase=Removing(_NOW, acknowledged=_NOW))
    plan = decide(Want("commit", None, NO_AUTH), seen, gone, _NOW)
    return [("removing", "[*]", "drained and stopped")] if plan.memory is None else []


if __name__ == "__main__":
    sys.stdout.write(render())
