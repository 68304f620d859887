"""The simulation notices a broken machine, or the scripts do what it would find late: each of these faults fails."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from mutation import told
from test_simulation import Weather

from reconciler import decide, ladder, refusals, rollout, routing, scale, transition, trial
from reconciler import facts as facts_of

pytestmark = pytest.mark.slow

QUICK = settings(
    max_examples=400,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def facts(**changes: object) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A transition that is told something untrue."""
    return lambda real: lambda phase, found: real(phase, replace(found, **changes))


FAULTS: dict[str, tuple[object, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "stops replicas that have requests in flight": (
        scale,
        "_ended",
        lambda real: (
            lambda retiring, replicas, known, seen, now: real(
                retiring, replicas, known, replace(seen, in_flight={}), now
            )
        ),
    ),
    "stops replicas at once": (scale, "_ended", lambda _: lambda *_: True),
    "shifts before Envoy acknowledged": (rollout, "advance", facts(acknowledged=True)),
    "never believes Envoy": (rollout, "advance", facts(acknowledged=False)),
    "takes every acknowledgement for the newest": (facts_of, "acknowledged", lambda _: lambda *_: True),
    "takes unready releases for ready": (
        scale,
        "ready",
        lambda _: lambda memory, _seen: frozenset(known.ref.name for known in memory.releases),
    ),
    "forgets to retire": (scale, "retire", lambda _: lambda memory, _spec, _now: memory),
    "never chooses surplus replicas": (scale, "retire_replicas", lambda _: lambda memory, _seen, _now: memory),
    "takes unknown for empty": (decide, "_wait", lambda _: _act_blindly),
    "starts again what was refused": (refusals, "active", lambda _: lambda _memory, _policy: ()),
    "skips approvals": (ladder, "is_pause", lambda _: lambda _run: False),
    "hears no gate": (
        rollout,
        "bad_of",
        lambda _: lambda _facts: None,
    ),
    "inherits a superseded share": (
        rollout,
        "_superseded",
        lambda _: (
            lambda phase, target, _facts: transition.Step(
                replace(phase, run=replace(phase.run, target=target)), ("TargetChanged", "")
            )
        ),
    ),
    "forgets evidence that it has counted": (
        trial,
        "absorb",
        lambda real: lambda evidence, *rest, **more: real(replace(evidence, read=()), *rest, **more),
    ),
    "sends to replicas that are not ready": (routing, "ROUTABLE", lambda _: _everything()),
}


LATE = frozenset(
    {
        "shifts before Envoy acknowledged",
        "takes every acknowledgement for the newest",
        "starts again what was refused",
        "skips approvals",
        "hears no gate",
        "inherits a superseded share",
        "forgets evidence that it has counted",
        "sends to replicas that are not ready",
    }
)
"""The simulation needs some hundred examples for these: cases and scripts look instead."""


def _act_blindly(want: Any, seen: Any, before: Any, _after: Any, now: Any) -> Any:  # noqa: ANN401 -- any argument
    from router.table import RouteSeen

    empty = replace(seen, route=seen.route or RouteSeen(None, 0, 0), releases=seen.releases or {})
    return decide.decide(want, empty, before, now)


def _everything() -> Any:  # noqa: ANN401 -- stands in for a frozenset
    from runtime.replica import ReplicaState

    return frozenset(ReplicaState)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_machine_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, broken = FAULTS[fault]
    mutant = broken(getattr(module, name))
    monkeypatch.setattr(module, name, mutant)
    if hasattr(decide, name):
        monkeypatch.setattr(decide, name, mutant)
    with pytest.raises((AssertionError, IndexError, KeyError)):
        told() if fault in LATE else run_state_machine_as_test(Weather, settings=QUICK)


def test_the_machine_as_it_is_passes() -> None:
    told()
