"""Part 6: real rollouts under load, beside what a peer did with the same."""

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Aim, Progress, Section, Spread
from benchmarks.installation import Installation
from benchmarks.options import Options
from benchmarks.scenes import PAUSE_S, SCENES, Stage, begin
from benchmarks.steady import RATE, Steady

_SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Row:
    """One figure, what the peer's was (lowest and highest), and what is wanted of it."""

    key: str
    what: str
    peer: tuple[float, float] | None = None
    aim: float | None = None
    """The median must be below it; where it is 0, every figure must be."""
    form: str = ".2f"


_COUNT = ".0f"
_ROWS = (
    _Row("good: failed", "good release: failed requests", (0, 0), aim=0, form=_COUNT),
    _Row("good: over", "  its time over the pauses, s", (8, 10)),
    _Row("good: step", "  a step over its pause, s", (1.2, 4.4)),
    _Row("bad: bad", "failing release: bad answers", (286, 326), form=_COUNT),
    _Row("bad: bad", "  peer with an interval of 1 s", (2, 13), form=_COUNT),
    _Row("bad: seconds", "  first to last, s", (58, 58)),
    _Row("bad: seconds", "  peer with an interval of 1 s", (0.05, 2.1)),
    _Row("half: bad", "failing release at 50 %: bad answers", form=_COUNT),
    _Row("half: after tenth", "  tenth to last, s", aim=2.0),
    _Row("pause: lasted", "killed in a pause of 5 s: it lasted, s", (23, 23), aim=PAUSE_S + 0.5),
    _Row("pause: back", "  Headgate back after, s"),
    _Row("killed: bad", "killed as 10 % fail: bad answers", (88, 99), form=_COUNT),
    _Row("killed: seconds", "  first to last, s", (19, 20)),
    _Row("killed: back", "  Headgate back after, s"),
    _Row("killed: further", "  steps further", (1, 1), aim=0, form=_COUNT),
    _Row("superseded: from ref", "newer one at 50 %: old one answered, s", (3, 22), aim=0.2),
    _Row("superseded: from decision", "  counted from the decision"),
    _Row("superseded: first", "  first share of the newer one, %", form=_COUNT),
    _Row("superseded: early", "  its answers before that", aim=0, form=_COUNT),
    _Row("abort: from call", "aborted at 50 %: answered, s", (3, 9)),
    _Row("abort: from order", "  counted from the decision"),
    _Row("abort: from return", "  counted from the command's end"),
)


def measure(options: Options, folder: Path, progress: Progress) -> list[Section]:
    """Run every scene in turn, again and again, on one installation under one load."""
    with Installation(folder / "rollouts", options.replicas) as home:
        stage = Stage(home, Steady(home.url, ""), options.rung)
        progress(f"rollouts: starting Headgate with {options.replicas} replicas")
        begin(stage)
        stage.load = Steady(home.url, home.key())
        with stage.load:
            time.sleep(_SETTLE_S)
            for number in range(options.repeats):
                for scene in SCENES:
                    progress(f"rollouts: {scene.__name__.replace('_', ' ')}, {number + 1} of {options.repeats}")
                    scene(stage)
                    if lost := stage.lost():
                        progress(f"rollouts: failed otherwise so far, by status: {dict(lost)}")
    return [_section(stage, options)]


def _section(stage: Stage, options: Options) -> Section:
    steps = f"10/25/50/75 %, {options.rung:g} s each, {RATE:g} requests/s, {options.replicas} replicas"
    columns = ("", "n", "min", "median", "max", "Argo Rollouts", "beaten")
    section = Section(f"6. Rollouts on a whole Headgate: {steps}", columns)
    for row in _ROWS:
        if stage.taken[row.key]:
            _add(section, row, Spread.of(stage.taken[row.key]))
    lost = stage.lost()
    section.figures["requests"] = {"all": len(stage.load.answers), "bad answers": stage.bad, "lost": lost}
    others = ", ".join(f"{count} with {status or 'no answer'}" for status, count in sorted(lost.items()))
    section.aims.append(Aim("requests that failed otherwise, in all scenes", "0", lost.total(), not lost))
    section.remarks += [
        f"{len(stage.load.answers):,} requests: {stage.bad:,} bad answers, otherwise failed: {others or 'none'}.",
        "Real: `headgate up`, Git, Envoy, replicas of the inference server, SIGKILL and start at once.",
        "Argo Rollouts 1.10.1 was measured elsewhere on a machine like this: two busy cores, 10 replicas.",
        "Times end with the last such answer that a client got (one request every 20 ms) and begin",
        "with the commit, the pause, or the start of the command; below 0: nothing came after it. The",
        "time over the pauses has the start of all replicas in it. No pause ends before Headgate is back.",
        "Beaten: yes, if the worst of these is better than the peer's best; mostly, if the median is.",
    ]
    return section


def _add(section: Section, row: _Row, spread: Spread) -> None:
    peer = "" if row.peer is None else "-".join(f"{bound:g}" for bound in sorted({*row.peer}))
    cells = (str(len(spread.values)), *spread.cells(row.form), peer, _beaten(spread, row.peer))
    section.rows.append((row.what, *cells))
    section.figures[row.key] = spread
    if row.aim is not None:
        wanted = f"< {row.aim:g} median" if row.aim else "0 always"
        measured = spread.median if row.aim else max(spread.values)
        section.aims.append(Aim(row.what.strip(), wanted, measured, measured < row.aim or measured == row.aim == 0))


def _beaten(spread: Spread, peer: tuple[float, float] | None) -> str:
    """Compare with the peer's best and worst; less is better."""
    if peer is None:
        return ""
    best, worst = peer
    if max(spread.values) < best:
        return "yes"
    if max(spread.values) == best:
        return "equal"
    if spread.median < best:
        return "mostly"
    return "in between" if spread.median <= worst else "no"
