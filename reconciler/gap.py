"""After a gap in the counting a step ends by what came since, and not by what was good before. Pure."""

from datetime import datetime, timedelta

from reconciler import ladder
from reconciler.ladder import Because
from reconciler.run import Run


def end(run: Run, patience: timedelta) -> datetime | None:
    """Until when the present step needs fresh evidence; None: its requests were counted without a gap.

    `patience` is the longest that a candidate's request may be in progress: one that hangs has shown it by then.
    """
    since, entered = run.evidence.since, run.entered
    if since is None or entered is None or since <= entered or run.fraction == 0 or run.approved:
        return None
    return since + patience if _floor(run) else None


def waits(run: Run, patience: timedelta, now: datetime) -> Because | None:
    """Why a step goes on whose time is over; None: there was no gap, or every candidate answered, or had time to."""
    until = end(run, patience)
    if until is None or now >= until:
        return None
    counts = {name: sum(tally.outcomes) for name, tally in run.evidence.regained}
    few = sorted(name for name in run.candidates if counts.get(name, 0) < _floor(run))
    if not few:
        return None
    need = f"{_floor(run)} answers of {', '.join(few)} or {until:%H:%M:%S} UTC"
    return ("EvidenceGap", f"requests were not counted until {run.evidence.since:%H:%M:%S} UTC; awaiting {need}")


def _floor(run: Run) -> int:
    """Answers that the most demanding gate needs of a candidate; 0: no gate counts live requests."""
    counting = (gate for gate in run.policy.gates if not gate.dry_run and not ladder.measures(gate))
    return max((gate.min_requests for gate in counting), default=0)
