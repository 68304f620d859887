"""What a move has seen, and what its gates say of it: readings to evidence to verdicts. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from observability.evidence import NOTHING, Reading, Tally
from observability.judge import alpha_each, judge, judge_frozen
from observability.verdict import Judgement, Stage, Verdict
from reconciler.run import Episode, Evidence, Mark, Run, Said, Tallies, Watch
from reconciler.split import Split
from router.table import TOTAL
from spec.policy import Gate

PIECE, SMALL = 25, 0.5
"""A piece of the evidence ends at so many requests; two that come to less than this part of what came after are one.

A candidate that breaks late is so held against the time since, and not against all its calm requests before.
"""

EXAMINED = ("http", "checks")
"""Metrics of gates that ask by themselves."""

Key = tuple[str, str]
"""Gate and release."""


@dataclass(frozen=True, slots=True)
class Examined:
    """The outcome of one request of a gate's own, or of one run of a deployment's checks."""

    at: datetime
    verdict: Verdict
    message: str


Examinations = Mapping[Key, Examined]


def absorb(
    evidence: Evidence, reading: Reading | None, split: Split, now: datetime, *, counts: bool = True
) -> Evidence:
    """Add what came since the last reading to the episode of `split`, the split that was asked for meanwhile.

    The first reading is only where counting starts. A new epoch is a Headgate that started in mid-move: what it
    counted since is evidence, what happened before it is not. Without `counts` what came is left out.
    """
    if reading is None:
        return replace(evidence, since=None)
    since = evidence.since if reading.epoch == evidence.epoch and evidence.since else None
    read: Tallies = tuple(sorted(reading.tallies.items()))
    before = dict(evidence.read) if reading.epoch == evidence.epoch else {}
    fresh = {name: tally.since(before.get(name, NOTHING)) for name, tally in read}
    episodes, regained = evidence.episodes, dict(evidence.regained) if since else {}
    if counts and evidence.epoch:
        fresh = {name: tally for name, tally in fresh.items() if any(tally.outcomes)}
        episodes = _add(episodes, split, fresh)
        regained |= {name: regained.get(name, NOTHING) + tally for name, tally in fresh.items()}
    return Evidence(episodes, reading.epoch, read, since or now, tuple(sorted(regained.items())))


def _add(episodes: tuple[Episode, ...], split: Split, fresh: Mapping[str, Tally]) -> tuple[Episode, ...]:
    if not fresh:
        return episodes
    tallies = tuple(sorted(fresh.items()))
    last = episodes[-1] if episodes else None
    if last is None or last.split != split:
        return (*_joined(episodes), Episode(split, tallies))
    if last.size < PIECE:
        return (*episodes[:-1], _join(last, Episode(split, tallies)))
    return _thinned((*episodes, Episode(split, tallies, last.piece + 1)))


def _join(one: Episode, other: Episode) -> Episode:
    """Both as one piece, which began when the first did."""
    known, more = dict(one.tallies), dict(other.tallies)
    merged = {name: known.get(name, NOTHING) + more.get(name, NOTHING) for name in known.keys() | more.keys()}
    return replace(one, tallies=tuple(sorted(merged.items())))


def _joined(episodes: tuple[Episode, ...]) -> tuple[Episode, ...]:
    """The pieces of a split that is over as one: who broke in it was found in it."""
    joined: list[Episode] = []
    for episode in episodes:
        if episode.piece:
            joined[-1] = _join(joined[-1], episode)
        else:
            joined.append(episode)
    return tuple(joined)


def _thinned(episodes: tuple[Episode, ...]) -> tuple[Episode, ...]:
    """Pieces that are small beside what came after them joined, so that their number grows as a logarithm.

    The last one stays as it is, since the number of the next one follows from its.
    """
    kept = [episodes[-1]]
    after = episodes[-1].size
    for episode in reversed(episodes[:-1]):
        following = kept[-1] if len(kept) > 1 else None
        small = following is not None and following.piece > 0 and episode.size + following.size <= after * SMALL
        if following is not None and small:
            kept[-1] = _join(episode, following)
            continue
        after += following.size if following is not None else 0
        kept.append(episode)
    return tuple(reversed(kept))


def stages(run: Run, release: str) -> tuple[Stage, ...]:
    """The evidence on one candidate, by the shares that it had."""
    return tuple(_stage(episode, release, run.candidates) for episode in run.evidence.episodes)


def _stage(episode: Episode, release: str, trial: tuple[str, ...]) -> Stage:
    shares, tallies = dict(episode.split), dict(episode.tallies)
    own = shares.get(release, 0)
    rest = sum(share for name, share in shares.items() if name not in trial)
    stable = sum((tally for name, tally in sorted(tallies.items()) if name not in trial), NOTHING)
    share = own * TOTAL // (own + rest) if own + rest else 0
    return Stage(share, tallies.get(release, NOTHING), stable, episode.piece)


def examine_run(run: Run, found: Examinations, now: datetime) -> Run:
    """The run with what its gates say now."""
    if run.straight or not run.policy.gates or not run.begun:
        return run
    alpha = alpha_each(run.policy) / max(1, len(run.candidates))
    marks, said = {(mark.gate, mark.release): mark for mark in run.marks}, []
    for gate in run.policy.gates:
        for release in run.candidates:
            one = judge(gate, stages(run, release), alpha)
            if gate.test == "threshold" or gate.metric in EXAMINED:
                key = (gate.name, release)
                mark = marks.get(key, Mark(gate.name, release, run.entered or now))
                marks[key], one = _measure(gate, mark, stages(run, release), found.get(key), now)
            said.append(_said(gate, release, one))
    kept = tuple(mark for _, mark in sorted(marks.items()))
    return replace(run, marks=kept, said=tuple(said))


def examine_watch(watch: Watch, split: Split, found: Examinations, now: datetime) -> Watch:
    """The watch with what its gates say of the promoted releases, held against the stable ones of the move."""
    if not is_watched(watch, now):
        return replace(watch, said=(), marks=())
    trial = watch.candidates(split)
    alpha = alpha_each(watch.policy) / max(1, len(trial))
    marks, said = {(mark.gate, mark.release): mark for mark in watch.marks}, []
    for gate in watch.policy.gates:
        for release in trial:
            key = (gate.name, release)
            if gate.metric in EXAMINED:
                mark = marks.get(key, Mark(gate.name, release, now))
                marks[key], one = _measure(gate, mark, (), found.get(key), now)
                if marks[key].successes >= gate.success_limit:
                    marks[key] = replace(marks[key], failures=0)
            else:
                one = judge_frozen(gate, watch.evidence.pieces(release), watch.stable, alpha)
            said.append(_said(gate, release, one))
    return replace(watch, said=tuple(said), marks=tuple(mark for _, mark in sorted(marks.items())))


def is_watched(watch: Watch, now: datetime) -> bool:
    """Whether a regression still returns to what was replaced."""
    return watch.unproven or now < watch.watched_until


def wanted(run: Run, now: datetime) -> Iterator[tuple[Gate, str, datetime]]:
    """Examinations that a run's gates need: gate, release, and how old an answer may be."""
    if not run.straight and run.begun:
        yield from _due(run.policy.gates, run.candidates, run.marks, run.entered or now, now)


def wanted_by_watch(watch: Watch, split: Split, now: datetime) -> Iterator[tuple[Gate, str, datetime]]:
    """Those that a watch needs: none once its time is over, even where it waits for live requests."""
    if now < watch.watched_until:
        yield from _due(watch.policy.gates, watch.candidates(split), watch.marks, now, now)


def _due(
    gates: tuple[Gate, ...], releases: tuple[str, ...], marks: tuple[Mark, ...], begin: datetime, now: datetime
) -> Iterator[tuple[Gate, str, datetime]]:
    known = {(mark.gate, mark.release): mark for mark in marks}
    for gate in gates:
        if gate.metric not in EXAMINED:
            continue
        for release in releases:
            mark = known.get((gate.name, release))
            due = (mark.since if mark else begin) + timedelta(seconds=gate.interval_s)
            first = mark is None or not mark.message
            if first or now >= due:
                yield gate, release, mark.since if mark else now


def next_look(trial: Run | Watch, now: datetime) -> datetime | None:
    """When a gate that measures at intervals is due next."""
    lengths = {gate.name: timedelta(seconds=gate.interval_s) for gate in trial.policy.gates}
    due = (mark.since + lengths[mark.gate] for mark in trial.marks if mark.gate in lengths)
    return min((time for time in due if time > now), default=None)


def _said(gate: Gate, release: str, one: Judgement) -> Said:
    return Said(
        gate=gate.name,
        release=release,
        verdict=one.verdict,
        reason=one.reason,
        message=one.message,
        samples=one.samples,
        value=one.value,
        reference=one.reference,
        dry_run=gate.dry_run,
    )


def _measure(
    gate: Gate, mark: Mark, found: tuple[Stage, ...], examined: Examined | None, now: datetime
) -> tuple[Mark, Judgement]:
    """Take a measurement where one is due, and say what all of them make of the release."""
    if gate.metric in EXAMINED:
        if examined is None or examined.at < mark.since or (mark.message and examined.at == mark.since):
            return mark, _standing(gate, mark)
        taken = Judgement(examined.verdict, "Measured", examined.message)
        mark = _count(replace(mark, since=examined.at), taken)
        return mark, _standing(gate, mark)
    if now < mark.since + timedelta(seconds=gate.interval_s):
        return mark, _standing(gate, mark)
    candidate = sum((stage.candidate for stage in found), NOTHING)
    stable = sum((stage.stable for stage in found), NOTHING)
    share = found[-1].share if found else TOTAL
    window = Stage(share, candidate.since(mark.candidate), stable.since(mark.stable))
    taken = judge(gate, (window,), 1.0)
    if taken.reason == "NotEnoughTraffic":
        return mark, replace(taken, verdict=Verdict.INCONCLUSIVE)
    mark = _count(replace(mark, since=now, candidate=candidate, stable=stable), taken)
    return mark, _standing(gate, mark)


def _count(mark: Mark, taken: Judgement) -> Mark:
    mark = replace(mark, message=taken.message)
    match taken.verdict:
        case Verdict.GOOD:
            return replace(mark, successes=mark.successes + 1, errors=0)
        case Verdict.BAD:
            return replace(mark, failures=mark.failures + 1, successes=0, errors=0)
        case Verdict.ERROR:
            return replace(mark, errors=mark.errors + 1)
        case Verdict.INCONCLUSIVE:
            return mark


def _standing(gate: Gate, mark: Mark) -> Judgement:
    """What the measurements so far come to."""
    counted = f"{mark.successes} good in a row, {mark.failures} bad"
    message = f"{mark.message} ({counted})" if mark.message else "not measured yet"
    samples = mark.successes + mark.failures
    if mark.failures > gate.failure_limit:
        return Judgement(Verdict.BAD, "FailureLimit", message, samples)
    if mark.errors > gate.error_limit:
        return Judgement(Verdict.ERROR, "ErrorLimit", message, samples)
    if mark.successes >= gate.success_limit:
        return Judgement(Verdict.GOOD, "WithinLimits", message, samples)
    return Judgement(Verdict.INCONCLUSIVE, "Measuring", message, samples)
