"""What a move sees and still has to look at: evidence in, examinations out, and when to look again. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from observability.verdict import Verdict
from reconciler import gap, ladder, trial
from reconciler.calendar import opening
from reconciler.facts import CHECKS, WARMUP, checked_releases, patience, quiet_until
from reconciler.plan import Examine, Seen
from reconciler.run import Run, Watch
from reconciler.scale import ready
from reconciler.split import Split
from reconciler.state import Memory, Paused, Reverting, Settled, Shifting, Warming, run_of, split_of
from reconciler.trial import Examined
from spec.policy import BUILT_IN, Gate, WarmUp

Kind = Literal["http", "checks", "warmup"]
Wanted = tuple[str, str, Kind, datetime]
"""Gate, release, what to do, and how old an outcome may be."""
AGAIN = timedelta(seconds=10)
"""After which checks that could not tell are asked again, before the first share."""


def look(memory: Memory, seen: Seen, now: datetime) -> Memory:
    """Take in what live requests showed since the last look, and let the gates judge it."""
    return _weigh(_observe(memory, seen, now), seen, now)


def _observe(memory: Memory, seen: Seen, now: datetime) -> Memory:
    match memory.phase:
        case Settled(split, watch) if watch is not None:
            return replace(memory, phase=Settled(split, _watched(watch, split, seen, now)))
        case Warming(run) | Shifting(run) | Paused(run):
            return replace(memory, phase=replace(memory.phase, run=_counted(run, split_of(memory.phase), seen, now)))
        case Reverting(carried=False, left=left, leaving=Run() as run):
            return replace(memory, phase=replace(memory.phase, leaving=_counted(run, left, seen, now)))
        case Reverting(carried=False, left=left, leaving=Watch() as watch):
            return replace(memory, phase=replace(memory.phase, leaving=_watched(watch, left, seen, now)))
        case _:
            return memory


def _counted(run: Run, split: Split, seen: Seen, now: datetime) -> Run:
    counts = run.fraction > 0 and _is_stable_live(run, seen)
    return replace(run, evidence=trial.absorb(run.evidence, seen.reading, split, now, counts=counts))


def _watched(watch: Watch, split: Split, seen: Seen, now: datetime) -> Watch:
    return replace(watch, evidence=trial.absorb(watch.evidence, seen.reading, split, now))


def _weigh(memory: Memory, seen: Seen, now: datetime) -> Memory:
    match memory.phase:
        case Settled(split, watch) if watch is not None:
            return replace(memory, phase=Settled(split, trial.examine_watch(watch, split, seen.examined, now)))
        case Shifting(run) | Paused(run):
            return replace(memory, phase=replace(memory.phase, run=trial.examine_run(run, seen.examined, now)))
        case Reverting(carried=False, leaving=Run() as run):
            return replace(memory, phase=replace(memory.phase, leaving=trial.examine_run(run, seen.examined, now)))
        case Reverting(carried=False, left=left, leaving=Watch() as watch):
            return replace(
                memory, phase=replace(memory.phase, leaving=trial.examine_watch(watch, left, seen.examined, now))
            )
        case _:
            return memory


def examinations(memory: Memory, seen: Seen, now: datetime) -> tuple[Examine, ...]:
    """What has to be found out now, by requests of Headgate's own."""
    run = run_of(memory.phase)
    if run is not None and not run.source:
        return ()
    known = {found.ref.name: found.ref for found in memory.releases}
    there = ready(memory, seen)
    found = _wanted(memory, run, seen, now) if run is not None else _wanted_after(memory, seen, now)
    wants = (one for one in found if one[1] in there and one[1] in known)
    return tuple(Examine(gate, known[release], kind, after) for gate, release, kind, after in wants)


def _wanted(memory: Memory, run: Run, seen: Seen, now: datetime) -> Iterator[Wanted]:
    if not run.begun:
        for release in checked_releases(memory, run):
            one = seen.examined.get((CHECKS, release))
            again = _again(run, one)
            if one is None or one.at < run.started or (again is not None and now >= again):
                yield CHECKS, release, "checks", run.started if one is None else max(run.started, one.at)
        return
    if isinstance(run.rung, WarmUp) and run.entered is not None:
        for release in run.candidates:
            done = seen.examined.get((WARMUP, release))
            if done is None or done.at < run.entered:
                yield WARMUP, release, "warmup", run.entered
    yield from _unanswered(trial.wanted(run, now), seen)


def _wanted_after(memory: Memory, seen: Seen, now: datetime) -> Iterator[Wanted]:
    """What the gates of a watch need."""
    if isinstance(memory.phase, Settled) and memory.phase.watch is not None:
        yield from _unanswered(trial.wanted_by_watch(memory.phase.watch, memory.phase.split, now), seen)


def _unanswered(wanted: Iterator[tuple[Gate, str, datetime]], seen: Seen) -> Iterator[Wanted]:
    for gate, release, after in wanted:
        found = seen.examined.get((gate.name, release))
        if found is None or found.at <= after:
            yield gate.name, release, "http" if gate.metric == "http" else "checks", after


def _again(run: Run, one: Examined | None) -> datetime | None:
    """When checks that said neither good nor bad are asked again: nobody was there, or stable fails too."""
    if one is None or one.at < run.started or one.verdict in (Verdict.GOOD, Verdict.BAD):
        return None
    return one.at + AGAIN


def wake(memory: Memory, seen: Seen, now: datetime) -> datetime | None:
    """The next moment at which time alone changes what should be done."""
    return min((time for time in _times(memory, seen, now) if time is not None and time > now), default=None)


def _times(memory: Memory, seen: Seen, now: datetime) -> Iterator[datetime | None]:
    match memory.phase:
        case Settled(watch=watch) if watch is not None:
            yield from _ends(watch)
            yield trial.next_look(watch, now)
        case Reverting(carried=False, since=since, leaving=left):
            policy = memory.spec.policy if memory.spec else BUILT_IN
            yield max(since, seen.since or since) + timedelta(seconds=policy.progress_deadline_s)
            if isinstance(left, Watch):
                yield left.watched_until
        case Warming(run) | Shifting(run) | Paused(run):
            yield ladder.deadline_of(run)
            yield run.progressed + timedelta(seconds=run.policy.progress_deadline_s)
            yield opening(memory.spec.policy if memory.spec else run.policy, now).until
            yield trial.next_look(run, now)
            yield quiet_until(run)
            yield gap.end(run, patience(memory, run))
            if not run.begun:
                yield from (_again(run, seen.examined.get((CHECKS, name))) for name in checked_releases(memory, run))
        case _:
            return


def _ends(watch: Watch) -> Iterator[datetime]:
    yield watch.until
    yield watch.watched_until


def _is_stable_live(run: Run, seen: Seen) -> bool:
    """Whether what the candidate is compared with serves at all: otherwise its evidence would be of another world."""
    stable = [release for release, _ in run.source if release in dict(run.split) and release not in run.candidates]
    releases = seen.releases or {}
    return all(name in releases and releases[name].ready for name in stable)
