"""Probes as a pure state machine: Azure's thresholds, and a quicker pace until the first success."""

from dataclasses import dataclass, replace
from enum import StrEnum

from spec.release import Probe

PACE = 0.25
"""Seconds between probes until the first success: a replica is ready within this of answering."""


class Answer(StrEnum):
    """What one probe found."""

    OK = "ok"
    FAILED = "failed"
    BUSY = "busy"
    """No answer in time, but the replica is scoring a request that may still take its time: counts neither way."""


@dataclass(frozen=True, slots=True)
class ProbeState:
    """How one probe stands; times in seconds of one monotonic clock."""

    due: float
    """When to probe next."""
    counted: float
    """Before the first success: when the last failure was counted; one counts every `period`."""
    passing: bool | None = None
    """None: neither threshold was reached yet."""
    ever: bool = False
    """Whether it passed at any time."""
    successes: int = 0
    failures: int = 0


def begin(probe: Probe, now: float) -> ProbeState:
    """A process has just started: probe at once, but count no failure during `initial_delay`."""
    return ProbeState(due=now, counted=now + probe.initial_delay)


def resume(now: float) -> ProbeState:
    """A process that was passing is adopted: it passes until it fails `failure_threshold` times."""
    return ProbeState(due=now, counted=now, passing=True, ever=True)


def step(state: ProbeState, probe: Probe, answer: Answer, now: float) -> ProbeState:
    """The state after one answer."""
    match answer:
        case Answer.OK:
            return _succeed(state, probe, now)
        case Answer.FAILED:
            return _fail(state, probe, now)
        case Answer.BUSY:
            return replace(state, due=now + _pace(state, probe))


def _succeed(state: ProbeState, probe: Probe, now: float) -> ProbeState:
    successes = state.successes + 1
    enough = successes >= probe.success_threshold
    passing = True if enough else state.passing
    after = replace(state, passing=passing, ever=state.ever or enough, successes=successes, failures=0)
    return replace(after, due=now + _pace(after, probe))


def _fail(state: ProbeState, probe: Probe, now: float) -> ProbeState:
    due = now + _pace(state, probe)
    if not state.ever and now < state.counted + probe.period:
        return replace(state, due=due, successes=0)
    failures = state.failures + 1
    passing = False if failures >= probe.failure_threshold else state.passing
    return replace(state, due=due, counted=now, passing=passing, successes=0, failures=failures)


def _pace(state: ProbeState, probe: Probe) -> float:
    return float(probe.period) if state.ever else min(PACE, probe.period)
