"""Part 2: from a commit to the first request that is answered under its route."""

import random
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks.farm import Farm, Plane
from benchmarks.figures import Aim, Progress, Section, Spread
from benchmarks.options import Options
from benchmarks.repository import Commit, Traffic
from benchmarks.tiny import Prober, Replicas

AIM_MS, AIM_SIZE = 100.0, 1000
_BETWEEN_S = 0.1
"""Lets the commit before end everywhere."""
_Change = Callable[[bytes], bool]


def measure(options: Options, farm: Farm, progress: Progress) -> list[Section]:
    """Commit to each installation in turn, a traffic edit and a mirror edit of a random endpoint each time."""
    planes = {size: farm.plane(size) for size in options.endpoints}
    chance = random.Random(1)
    taken: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for number in range(options.edits + 1):
        if number % 10 == 0:
            progress(f"effect: commit {number} of {options.edits} of each kind and size")
        for size, plane in planes.items():
            for kind in ("traffic", "mirror"):
                found = _edit(plane, farm.replicas, kind, chance)
                if number:  # the first of each warms up
                    taken.setdefault((size, kind), []).append(found)
    return [_section(taken)]


def _edit(plane: Plane, replicas: Replicas, kind: str, chance: random.Random) -> tuple[float, float]:
    """Milliseconds from the ref's change, and from the start of `git commit`, to the effect."""
    name = chance.choice(sorted(plane.repository.traffic))
    before = plane.repository.traffic[name]
    prober = Prober(plane.port, name, plane.key(name))
    try:
        prober.ask()
        after = Traffic(before.other) if kind == "traffic" else replace(before, mirrored=True)
        if kind == "mirror" and before.mirrored:
            _settle(plane, plane.repository.route(name, replace(before, mirrored=False)))
        changed = _moved(after) if kind == "traffic" else _copied(replicas, after)
        commit = plane.repository.route(name, after)
        at = prober.until(changed)
        ref = commit.done()
    finally:
        prober.close()
    time.sleep(_BETWEEN_S)
    return (at - ref) / 1e6, (at - commit.began) / 1e6


def _settle(plane: Plane, commit: Commit) -> None:
    said = len(plane.said)
    commit.done()
    plane.wait(lambda _: True, since=said, within_s=30)
    time.sleep(_BETWEEN_S)


def _moved(after: Traffic) -> _Change:
    wanted = f"azureml-model-deployment: {after.live}\r\n".encode()
    return lambda answer: wanted in answer


def _copied(replicas: Replicas, after: Traffic) -> _Change:
    before = replicas.arrivals[after.other]
    return lambda _: replicas.arrivals[after.other] > before


def _section(taken: dict[tuple[int, str], list[tuple[float, float]]]) -> Section:
    columns = ("endpoints, edit", "n", "min", "p50", "p90", "p99", "max", "p50 from `git commit`")
    section = Section("2. From a commit to the first request under the new route, in ms", columns)
    for (size, kind), pairs in sorted(taken.items()):
        spread, whole = Spread.of(pair[0] for pair in pairs), Spread.of(pair[1] for pair in pairs)
        section.figures[f"{size} {kind}"] = {"from_ref_ms": spread, "from_git_commit_ms": whole}
        values = (min(spread.values), spread.median, spread.at(0.9), spread.at(0.99), max(spread.values))
        cells = (f"{value:.1f}" for value in values)
        section.rows.append((f"{size:,} {kind}", str(len(pairs)), *cells, f"{whole.median:.1f}"))
        if size >= AIM_SIZE:
            what = f"commit to effect, {size:,} endpoints, {kind} edit"
            section.aims.append(Aim(what, f"< {AIM_MS:g} ms median", spread.median, spread.median < AIM_MS, "ms"))
    section.remarks += [
        "Real: working copy, `git commit`, source, loader, reconciler, database, xDS, Envoy (plain HTTP).",
        "Not real: the replicas, which are one tiny server, ready at once, so that 1,000 endpoints fit.",
        "Counted from the change of the ref; its stamp may be 4 ms early, so these are upper bounds.",
        "The installations take turns. Mirror: half of the requests, one a millisecond, are copied.",
    ]
    return section
