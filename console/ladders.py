"""The rollout that a plan would bring about: its ladder, gates, and what happens on failure. Pure."""

from collections.abc import Iterator
from datetime import datetime

from console import checked, plans
from console.rollout_view import duration
from console.views import percent
from reconciler.forecast import Forecast, forecast
from reconciler.plan import Seen, Want
from reconciler.split import Split
from reconciler.state import Memory, base_of
from spec.policy import BUILT_IN, Gate, RolloutPolicy


def ladder(want: Want, seen: Seen, memory: Memory, now: datetime) -> plans.RolloutPlan | None:
    """The move of an endpoint, by the decisions that will be taken; None where no traffic moves."""
    found = forecast(want, memory, now)
    if found.target == found.source:
        return None
    policy = want.spec.policy if want.spec else BUILT_IN
    base = base_of(memory.phase)
    straight = not base or not found.target or policy.strategy == "immediate"
    return plans.RolloutPlan(
        policy=policy.name,
        policy_file=policy.file,
        strategy=policy.strategy,
        stops=tuple(_stops(found)),
        earliest_finish_s=found.earliest.total_seconds(),
        approvals=found.approvals,
        peak_replicas=found.peak,
        gates=(*_checks(want, seen, found, base), *(() if straight else map(tell_gate, policy.gates))),
        skips_steps=not base or not found.target,
        rollback_to=percent(base),
        on_failure=_on_failure(policy, straight=straight, first=not base),
        settles=found.settles,
    )


def _checks(want: Want, seen: Seen, found: Forecast, base: Split) -> Iterator[str]:
    """The checks of releases that are new in the target; a first deployment is not held up by any."""
    fresh = frozenset(dict(found.target)) - frozenset(dict(base))
    if want.spec is not None and base:
        yield from checked.told(want.spec, seen, fresh)


def _stops(found: Forecast) -> Iterator[plans.RolloutStop]:
    for stop in found.stops:
        yield plans.RolloutStop(
            after_s=stop.after.total_seconds(),
            split=percent(stop.split),
            replicas=stop.replicas,
            waits_for=stop.waits_for,
        )


def tell_gate(gate: Gate) -> str:
    """One gate in words."""
    what = {"error_rate": "error rate", "latency": f"latency p{(gate.quantile or 0.5) * 100:g}"}.get(
        gate.metric, gate.url if gate.metric == "http" else gate.metric
    )
    limits = []
    if gate.max is not None:
        limits.append(f"at most {gate.max * 100:g}%" if gate.metric == "error_rate" else f"at most {gate.max:g} ms")
    if gate.compare_stable:
        limits.append("no worse than the stable release")
    told = f"{what} {' and '.join(limits)}".strip()
    return f"{gate.name}: {told}{' (reports only)' if gate.dry_run else ''}"


def _on_failure(policy: RolloutPolicy, *, straight: bool, first: bool) -> str:
    if first:
        return "nothing to return to: the endpoint answers 404 until a release is ready"
    if straight:
        return "a release that never gets ready gets no traffic; once it serves, nothing takes it back by itself"
    kept = f"; after promotion it stays warm for {duration(policy.keep_s)}" if policy.keep_s else ""
    return (
        "a gate that fails, or a release without replicas, returns traffic at once, and that release is refused"
        f"{kept}"
    )
