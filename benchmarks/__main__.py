"""Measure, print tables, say which aims were met."""

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from benchmarks import effect, exposure, figures, footprint, instructions, machine, noop, rollouts, route
from benchmarks.farm import Farm
from benchmarks.figures import Section
from benchmarks.options import Options, parse

_Part = Callable[[], list[Section]]


def main() -> None:
    """Run what was asked for; everything that was started ends with it."""
    options = parse()
    signal.signal(signal.SIGTERM, _leave)
    console = Console(width=figures.WIDTH, highlight=False)
    facts = machine.describe()
    for name, fact in facts.items():
        console.print(f"{name}: {fact}")
    console.print()
    folder = Path(tempfile.mkdtemp(prefix="hgb-"))
    try:
        sections = _measure(options, folder, console)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures.show_aims(console, sections)
    if options.json is not None:
        figures.write(options.json, facts, sections)


def _leave(*_: object) -> NoReturn:
    """End as after Ctrl-C, so that everything that was started ends too."""
    raise KeyboardInterrupt


def _measure(options: Options, folder: Path, console: Console) -> list[Section]:
    """Run the parts; each shows its tables when it is done."""
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {text}", file=sys.stderr, flush=True)

    sections: list[Section] = []

    def done(found: list[Section]) -> None:
        for section in found:
            section.show(console)
        sections.extend(found)

    alone: dict[str, _Part] = {
        "route": lambda: asyncio.run(route.measure(options, folder, progress)),
        "instructions": lambda: asyncio.run(instructions.measure(folder, progress)),
        "exposure": lambda: exposure.measure(options, progress),
        "rollouts": lambda: rollouts.measure(options, folder, progress),
    }
    _run(alone, options, done)
    with Farm(folder, progress) as farm:
        farmed: dict[str, _Part] = {
            "effect": lambda: effect.measure(options, farm, progress),
            "noop": lambda: noop.measure(options, farm, progress),
            "footprint": lambda: footprint.measure(options, farm, progress),
        }
        _run(farmed, options, done)
    return sections


def _run(parts: dict[str, _Part], options: Options, done: Callable[[list[Section]], None]) -> None:
    """Run those of the parts that were asked for, in their order."""
    for name, part in parts.items():
        if name in options.only:
            done(part())


if __name__ == "__main__":
    main()
