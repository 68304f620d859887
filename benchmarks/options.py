"""What is measured, at which sizes and for how long."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = ("route", "effect", "noop", "footprint", "exposure", "rollouts")
NAMED = ("instructions",)
"""Parts that run only if they are named: they need programs of their own."""


@dataclass(frozen=True, slots=True)
class Options:
    """One run."""

    only: tuple[str, ...]
    seconds: float
    """Length of one slice of load, and of one window of CPU."""
    rounds: int
    """How often all slices of the route are repeated."""
    connections: int
    generator: str
    endpoints: tuple[int, ...]
    """Sizes of the installations in which a commit's effect is timed."""
    edits: int
    """Commits of each kind in each installation."""
    specs: tuple[int, ...]
    """Sizes of the repositories in which a commit changes nothing."""
    commits: int
    """Commits in one window of CPU; there are `windows` of them."""
    windows: int
    rollouts: int
    """Simulated healthy rollouts of each kind; a fifth as many bad ones."""
    repeats: int
    """Real rollouts of each kind."""
    replicas: int
    """Of each release in them."""
    rung: float
    """Seconds that their steps last."""
    json: Path | None


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; `--quick` changes the defaults only."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes and few repetitions: seven minutes")
    parser.add_argument("--only", action="append", choices=PARTS + NAMED, help="this part alone; may be repeated")
    parser.add_argument("--seconds", type=float, help="of one slice of load (whole seconds with wrk)")
    parser.add_argument("--rounds", type=int, help="how often the slices are repeated")
    parser.add_argument("--connections", type=int, default=16, help="of the load generator")
    parser.add_argument("--generator", choices=("auto", "wrk", "python"), default="auto")
    parser.add_argument("--endpoints", type=_sizes, help="such as 1,100,1000: for commit to effect")
    parser.add_argument("--edits", type=int, help="timed commits of each kind at each size")
    parser.add_argument("--specs", type=_sizes, help="such as 1000,10000: for commits that change nothing")
    parser.add_argument("--commits", type=int, help="commits that change nothing, in one window")
    parser.add_argument("--windows", type=int, help="windows of such commits, between idle ones")
    parser.add_argument("--rollouts", type=int, help="simulated healthy rollouts, for exposure")
    parser.add_argument("--repeats", type=int, help="real rollouts of each kind")
    parser.add_argument("--replicas", type=int, help="of each release in real rollouts")
    parser.add_argument("--rung", type=float, help="seconds of each step of real rollouts")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    given = parser.parse_args(arguments)
    quick = bool(given.quick)
    return Options(
        only=tuple(given.only or PARTS),
        seconds=given.seconds or 1.0,
        rounds=given.rounds or (3 if quick else 12),
        connections=given.connections,
        generator=given.generator,
        endpoints=given.endpoints or ((1, 20) if quick else (1, 100, 1000)),
        edits=given.edits or (5 if quick else 40),
        specs=given.specs or ((20, 200) if quick else (1000, 10_000)),
        commits=given.commits or (3 if quick else 5),
        windows=given.windows or (2 if quick else 5),
        rollouts=given.rollouts or (100 if quick else 1000),
        repeats=given.repeats or (3 if quick else 5),
        replicas=given.replicas or (4 if quick else 10),
        rung=given.rung or (3.0 if quick else 5.0),
        json=given.json,
    )


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted({max(1, int(part)) for part in text.split(",")}))
