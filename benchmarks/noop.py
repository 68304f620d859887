"""Part 3: what a commit costs that changes nothing relevant."""

import time
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.farm import MOST_WITH_TWO, Farm, Plane
from benchmarks.figures import Aim, Progress, Section, Spread
from benchmarks.options import Options
from benchmarks.repository import SUBPATH

AIM_MS, AIM_SIZE = 50.0, 10_000
_EDITS = {
    "README inside": f"{SUBPATH}/README.md",
    "file outside": "notes/log.txt",
}
_REST_S = 0.3


@dataclass(frozen=True, slots=True)
class _Window:
    """Several commits, one after the other; for each of them in milliseconds."""

    cpu: float
    wall: tuple[float, ...]


def measure(options: Options, farm: Farm, progress: Progress) -> list[Section]:
    """Windows of commits of one kind and idle windows, in turn."""
    columns = ("repository, edit", "CPU min", "CPU median", "CPU max", "wall p50", "wall max")
    section = Section("3. A commit that changes nothing relevant, in ms", columns)
    for size in options.specs:
        plane = farm.plane(size)
        progress(f"noop: {size} endpoints")
        time.sleep(2)
        _window(plane, f"{SUBPATH}/README.md", 1, 0.0)
        windows: dict[str, list[_Window]] = {}
        for _ in range(options.windows):
            for edit, path in _EDITS.items():
                idle = _idle(plane, options.seconds)
                windows.setdefault(edit, []).append(_window(plane, path, options.commits, idle))
        for edit, found in windows.items():
            _add(section, (size, edit), found)
    section.remarks += [
        "CPU for each commit: Headgate with its Git processes, without Envoy, less what it uses when idle",
        "(windows in turn). Wall: from the change of the ref until Headgate has loaded the commit.",
        "Inside: a README below the watched folder. Outside: a file beside it. A spec is an endpoint file",
        f"with two deployment files (above {MOST_WITH_TWO:,} specs: with one).",
    ]
    return [section]


def _add(section: Section, row: tuple[int, str], found: list[_Window]) -> None:
    size, edit = row
    cpu = Spread.of(window.cpu for window in found)
    wall = Spread.of(value for window in found for value in window.wall)
    section.figures[f"{size} {edit}"] = {"cpu_ms": cpu, "wall_ms": wall}
    section.rows.append(
        (f"{size:,} specs, {edit}", *cpu.cells(".1f"), f"{wall.median:.1f}", f"{max(wall.values):.1f}")
    )
    if size >= AIM_SIZE:
        what = f"no-op commit, {size:,} specs, {edit}"
        section.aims.append(Aim(what, f"< {AIM_MS:g} ms of CPU", cpu.median, cpu.median < AIM_MS, "ms"))


def _idle(plane: Plane, seconds: float) -> float:
    """CPU per second while nothing happens."""
    before, began = _cpu(plane), time.monotonic()
    time.sleep(max(1.0, seconds))
    return (_cpu(plane) - before) / (time.monotonic() - began)


def _window(plane: Plane, path: str, commits: int, idle: float) -> _Window:
    before, began = _cpu(plane), time.monotonic()
    walls = []
    for _ in range(commits):
        said = len(plane.said)
        ref = plane.repository.edit(path, f"Edited at {time.time_ns()}\n").done()
        loaded = plane.wait(lambda _: True, since=said, within_s=60)
        walls.append((loaded - ref) / 1e6)
        time.sleep(_REST_S)
    spent = _cpu(plane) - before - idle * (time.monotonic() - began)
    return _Window(spent / commits * 1e3, tuple(walls))


def _cpu(plane: Plane) -> float:
    return machine.cpu_seconds_with_children(plane.process.pid, but="envoy")
