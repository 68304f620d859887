"""Part 5: how many requests reach a bad release before it is taken back, by two tests on the same traffic."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.figures import Aim, Progress, Section, Spread
from benchmarks.options import Options
from benchmarks.rehearsal import LOOK_S, Look, Rehearsal, Rung
from observability.evidence import NOTHING, Tally
from observability.judge import alpha_each, judge, judge_frozen
from observability.verdict import Verdict
from spec.policy import BUILT_IN, ERRORS, WHOLE, Weight

RATES = (50, 500)
FAILING = (0.01, 0.05, 0.5, 1.0)
STABLE = 0.005
"""How often the stable release fails, and a healthy candidate."""
WINDOW_S = 60
LAG_S = 0.5
"""From a request's end until the traffic has moved because of it, for both tests."""
AIM_RATE, AIM_FAILING, AIM_FACTOR = 500, 0.05, 5.0
USUAL = (0.01, 0.05)
"""Limits that examples for Flagger and Argo Rollouts use: 99 % and 95 % must succeed."""
GATE = BUILT_IN.gates[0]
SHARES = tuple(step.weight for step in BUILT_IN.steps if isinstance(step, Weight))


@dataclass(frozen=True, slots=True)
class Ladder:
    """The built-in policy's shares, each for a time."""

    name: str
    rungs: tuple[Rung, ...]

    @property
    def seconds(self) -> float:
        """Until the last rung ends."""
        return sum(rung.seconds for rung in self.rungs)


LADDERS = (
    Ladder("60 s a step", tuple(Rung(share, WINDOW_S) for share in SHARES)),
    Ladder("15 s a step", tuple(Rung(share, 15) for share in (*SHARES, WHOLE))),
)
"""Of 15 s, the last is after promotion: there the window is looked at for the first time."""


@dataclass(frozen=True, slots=True)
class Run:
    """One rollout."""

    looks: tuple[Look, ...]
    rates: tuple[float, ...]
    """The candidate's error rate in each window."""

    def sequential(self) -> float | None:
        """When the sequential test says bad, looking at each failure of the candidate; None: never."""
        failed = 0
        for look in self.looks:
            before, failed = failed, _failed(look)
            if failed > before and _is_bad(look):
                return look.at
        return None

    def windowed(self, limit: float) -> float | None:
        """When the window's rate is first above the limit; None: never."""
        over = (number for number, rate in enumerate(self.rates, 1) if rate > limit)
        return next((number * float(WINDOW_S) for number in over), None)

    def reached(self, at: float | None) -> int:
        """Requests that the candidate got, when the traffic goes back because of what was known then."""
        last = len(self.looks) if at is None else min(len(self.looks), round((at + LAG_S) / LOOK_S))
        return self.looks[last - 1].reached


def measure(options: Options, progress: Progress) -> list[Section]:
    """Healthy rollouts calibrate the window; bad ones are then counted by both tests."""
    return [section for ladder in LADDERS for section in _measure(ladder, options, progress)]


def _measure(ladder: Ladder, options: Options, progress: Progress) -> list[Section]:
    healthy = Section(
        f"5. Healthy rollouts that were aborted, {ladder.name}, of {options.rollouts:,}",
        ("requests/s", "sequential", "window", "its limit", *(f"limit {limit:.0%}" for limit in USUAL)),
    )
    bad = Section(
        f"   Requests that reached a bad release, {ladder.name}: median and 90th percentile",
        ("requests/s, fails", "sequential", "share", "found", "window", "share", "found", "window / seq."),
    )
    for rate in RATES:
        progress(f"exposure: {options.rollouts} healthy rollouts, {ladder.name}, {rate} requests/s")
        limit = _calibrate(ladder, rate, options.rollouts, healthy)
        for failing in FAILING:
            progress(f"exposure: releases that fail {failing:.0%} of {rate} requests/s")
            runs = list(_runs(ladder, rate, failing, max(20, options.rollouts // 5)))
            _compare(bad, ladder, (rate, failing), runs, limit)
    bad.remarks += _REMARKS
    return [healthy, bad]


_REMARKS = [
    f"Each request fails by chance of its own, with the stable release and a healthy one in {STABLE:.1%}.",
    f"Both tests see the same traffic, {LAG_S:g} s late. Sequential: the built-in gate. Window: the",
    f"candidate's error rate of the last {WINDOW_S} s, once in {WINDOW_S} s, with the lowest limit that aborts",
    "no more healthy rollouts than the sequential test does. Share: of all requests in the ladder's time.",
    "A release that is not found counts with all that it got until the ladder's end.",
]


def _calibrate(ladder: Ladder, rate: int, rollouts: int, section: Section) -> float:
    """Count false aborts, and find the window's limit that makes as many."""
    alarms, highest = 0, []
    for run in _runs(ladder, rate, STABLE, rollouts):
        alarms += run.sequential() is not None
        highest.append(max(run.rates))
    limit = sorted(highest, reverse=True)[min(alarms, rollouts - 1)]
    counts = [sum(rate > most for rate in highest) for most in (limit, *USUAL)]
    shares = [f"{count / rollouts:.1%}" for count in (alarms, *counts)]
    section.rows.append((f"{rate}", shares[0], shares[1], f"{limit:.2%}", *shares[2:]))
    section.figures[f"{rate}"] = {"rollouts": rollouts, "sequential": alarms, "window": counts[0], "limit": limit}
    allowed = BUILT_IN.false_alarm_rate
    what = f"false aborts, {ladder.name}, {rate} requests/s"
    section.aims.append(
        Aim(what, f"at most {allowed:.0%}", 100 * alarms / rollouts, alarms <= allowed * rollouts, "%")
    )
    return limit


def _compare(section: Section, ladder: Ladder, cell: tuple[int, float], runs: Sequence[Run], limit: float) -> None:
    rate, failing = cell
    total = rate * ladder.seconds
    cells: list[str] = []
    medians: list[float] = []
    for name, ends in (
        ("sequential", [run.sequential() for run in runs]),
        ("window", [run.windowed(limit) for run in runs]),
    ):
        spread = Spread.of(run.reached(end) for run, end in zip(runs, ends, strict=True))
        found = sum(end is not None for end in ends) / len(ends)
        cells += [f"{spread.median:,.0f} ({spread.at(0.9):,.0f})", f"{spread.median / total:.2%}", f"{found:.0%}"]
        medians.append(spread.median)
        section.figures[f"{rate} {failing} {name}"] = {"reached": spread, "found": found, "requests": total}
    factor = medians[1] / max(1.0, medians[0])
    section.rows.append((f"{rate}, {failing:.0%}", *cells, f"{factor:.1f}"))
    if (rate, failing) == (AIM_RATE, AIM_FAILING):
        what = f"exposure to {failing:.0%} errors at {rate} requests/s, {ladder.name}"
        section.aims.append(
            Aim(what, f"window's / {AIM_FACTOR:g} or less", factor, factor >= AIM_FACTOR, "times less")
        )


def _runs(ladder: Ladder, rate: int, failing: float, count: int) -> Iterator[Run]:
    for seed in range(count):
        looks = tuple(
            Rehearsal(rate, ladder.rungs, failing, STABLE, random.Random(f"{rate} {failing} {seed}")).looks()
        )
        every = round(WINDOW_S / LOOK_S)
        marks = [NOTHING, *(_candidate(look) for look in looks[every - 1 :: every])]
        windows = [later.since(before) for before, later in pairwise(marks)]
        yield Run(looks, tuple(window.count(ERRORS) / max(1, window.total) for window in windows))


def _is_bad(look: Look) -> bool:
    alpha = alpha_each(BUILT_IN)
    if look.stages[-1].share < WHOLE:
        return judge(GATE, look.pieces, alpha).verdict is Verdict.BAD
    stable = sum((stage.stable for stage in look.stages), NOTHING)
    since = [(piece.piece, piece.candidate) for piece in look.pieces if piece.share == WHOLE]
    return judge_frozen(GATE, since, stable, alpha).verdict is Verdict.BAD


def _candidate(look: Look) -> Tally:
    return sum((stage.candidate for stage in look.stages), NOTHING)


def _failed(look: Look) -> int:
    return sum(stage.candidate.count(ERRORS) for stage in look.stages)
