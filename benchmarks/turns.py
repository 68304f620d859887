"""CPU for a request on several ways at once: each has the load for a moment in turn, again and again.

Whatever else the machine does then falls on all of them alike, which slices of a second each do not achieve.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping

from benchmarks import machine
from benchmarks.load import Generator, Run, Target

_WINDOW_S = 0.15
"""Long enough that what the others left in the caches does not matter; with four ways, all have their turn before
Envoy closes idle connections to replicas."""
_BETWEEN_S = 0.002
_SETTLE_S = 0.2

Lanes = Mapping[str, tuple[int, Target]]
"""Name -> pid of the proxy, and where its load goes."""


async def turns(generator: Generator, lanes: Lanes, seconds: float) -> dict[str, float]:
    """Return the proxies' CPU in microseconds for each request; each has about `seconds` of load."""
    length = seconds * len(lanes)
    before = {name: machine.cpu_seconds_exact(pid) for name, (pid, _) in lanes.items()}
    with contextlib.ExitStack() as stack:
        runs: dict[str, Run] = {}
        for name, (_, target) in lanes.items():
            runs[name] = await generator.begin(target, length + 2)
            stack.callback(runs[name].kill)
        await asyncio.sleep(_SETTLE_S)
        for run in runs.values():
            run.pause()
        await _alternate(list(runs.values()), length)
        for run in runs.values():
            run.resume()
        outcomes = {name: await run.outcome() for name, run in runs.items()}
    await asyncio.sleep(_SETTLE_S)
    spent = {name: machine.cpu_seconds_exact(pid) - before[name] for name, (pid, _) in lanes.items()}
    return {name: spent[name] / outcomes[name].requests * 1e6 for name in lanes}


async def _alternate(runs: list[Run], length: float) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + length
    while clock() < end:
        for run in random.sample(runs, len(runs)):
            run.resume()
            await asyncio.sleep(_WINDOW_S)
            run.pause()
            await asyncio.sleep(_BETWEEN_S)
