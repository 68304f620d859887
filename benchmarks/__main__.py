"""Measure, print tables, say which aims were met."""

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from benchmarks import effect, exposure, figures, footprint, instructions, machine, noop, route
from benchmarks.farm import Farm
from benchmarks.figures import Section
from benchmarks.options import Options, parse


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

    if "route" in options.only:
        done(asyncio.run(route.measure(options, folder, progress)))
    if "instructions" in options.only:
        done(asyncio.run(instructions.measure(folder, progress)))
    if "exposure" in options.only:
        done(exposure.measure(options, progress))
    with Farm(folder, progress) as farm:
        if "effect" in options.only:
            done(effect.measure(options, farm, progress))
        if "noop" in options.only:
            done(noop.measure(options, farm, progress))
        if "footprint" in options.only:
            done(footprint.measure(options, farm, progress))
    return sections


if __name__ == "__main__":
    main()
