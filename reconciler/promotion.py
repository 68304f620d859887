"""What a move that came to its end becomes: a settled split, and a watch over it. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from reconciler import ladder
from reconciler.run import Run, Watch
from reconciler.state import Settled
from spec.policy import RolloutPolicy


def promoted(run: Run, now: datetime) -> Settled:
    """The candidate is the stable release now; what it replaced stays warm for a while."""
    policy = run.policy
    if not run.source or not run.target or policy.keep_s <= 0:
        return Settled(run.target)
    until, watched_until = times(policy, now)
    watch = Watch(
        previous=run.source,
        until=until,
        watched_until=watched_until,
        policy=policy,
        stable=ladder.stable_tally(run),
        evidence=replace(run.evidence, episodes=()),
        unproven=run.unproven and policy.watch_s > 0,
    )
    return Settled(run.target, watch)


def times(policy: RolloutPolicy, now: datetime) -> tuple[datetime, datetime]:
    """Until when replaced releases stay warm, and until when a regression returns to them."""
    keep, watch = policy.keep_s, min(policy.watch_s, policy.keep_s)
    return now + timedelta(seconds=keep), now + timedelta(seconds=watch)
