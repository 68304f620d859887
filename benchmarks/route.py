"""Part 1: what the full route costs, against a bare Envoy and against the backend itself."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import statics, variants
from benchmarks.figures import Aim, Progress, Section, Spread
from benchmarks.load import Generator, Outcome, Target
from benchmarks.options import Options
from benchmarks.turns import turns

AIM = 0.85
_DIRECT, _BARE = "backend, directly", "bare Envoy, one route"
_TOGETHER = 3
"""Parts that are measured at once, beside the full route."""
_WAYS = (_DIRECT, _BARE, variants.FULL.name, variants.SPLIT.name, variants.TLS.name)


@dataclass(frozen=True, slots=True)
class _Lane:
    """One way to the backend; `pid` of the proxy, 0: there is none."""

    pid: int
    target: Target


@dataclass(frozen=True, slots=True)
class _Round:
    """What each way brought in a slice of its own, and what a request costs each proxy, in microseconds of CPU."""

    outcomes: Mapping[str, Outcome]
    cpu: Mapping[str, float]
    parts: Mapping[str, float]
    """CPU of the route without that part, as a share of the full route's in the same moments."""


async def measure(options: Options, folder: Path, progress: Progress) -> list[Section]:
    """Load all ways in turn, again and again; return the table of routes and that of parts."""
    generator = Generator(options.generator, options.connections, folder)
    async with contextlib.AsyncExitStack() as stack:
        lanes = await _lanes(stack, folder, progress)
        rounds = [
            await _round(generator, lanes, options.seconds, number, progress) for number in range(options.rounds)
        ]
    sections = [_routes(rounds), _parts(rounds)]
    sections[0].remarks[:0] = [
        f"{options.rounds} rounds of {options.seconds:g} s for each way, {options.connections} connections.",
        f"Load: {generator.name}.",
        "One worker in each Envoy. Generator, proxy and backend share the cores, so the proxy's CPU for a",
        "request is the measure (bare/this): proxies in windows of 0.15 s in turn. Requests/s (this/bare)",
        "and latencies come second, from slices of their own.",
    ]
    return sections


async def _lanes(stack: contextlib.AsyncExitStack, folder: Path, progress: Progress) -> dict[str, _Lane]:
    progress("route: starting the backend, a bare Envoy, and one Envoy for each variant")
    upstream, port = statics.free_port(), statics.free_port()
    backend = statics.running(folder / "backend", upstream, statics.backend(upstream))
    await stack.enter_async_context(backend)
    bare = await stack.enter_async_context(statics.running(folder / "bare", port, statics.bare(port, upstream)))
    lanes = {
        _DIRECT: _Lane(0, Target(upstream, variants.PATH, variants.KEY)),
        _BARE: _Lane(bare, Target(port, variants.PATH, variants.KEY)),
    }
    for number, variant in enumerate((variants.FULL, variants.SPLIT, variants.TLS, *variants.PARTS)):
        found = await stack.enter_async_context(variants.running(variant, folder / f"v{number}", upstream))
        lanes[variant.name] = _Lane(found.pid, found.target)
    return lanes


async def _round(
    generator: Generator, lanes: Mapping[str, _Lane], seconds: float, number: int, progress: Progress
) -> _Round:
    """Load the ways one after the other, each round in the opposite order of the one before, then all in turns."""
    progress(f"route: round {number + 1}, {len(lanes)} ways")
    order = _WAYS if number % 2 else _WAYS[::-1]
    outcomes = {name: await generator.run(lanes[name].target, seconds) for name in order}
    cpu = await _turns(generator, lanes, _WAYS[1:], seconds)
    parts: dict[str, float] = {}
    for begin in range(0, len(variants.PARTS), _TOGETHER):
        names = [variant.name for variant in variants.PARTS[begin : begin + _TOGETHER]]
        found = await _turns(generator, lanes, (variants.FULL.name, *names), seconds)
        parts |= {name: found[name] / found[variants.FULL.name] for name in names}
    return _Round(outcomes, cpu, parts)


async def _turns(
    generator: Generator, lanes: Mapping[str, _Lane], names: Sequence[str], seconds: float
) -> Mapping[str, float]:
    return await turns(generator, {name: (lanes[name].pid, lanes[name].target) for name in names}, seconds)


def _routes(rounds: list[_Round]) -> Section:
    columns = ("", "CPU us/req", "bare/this", "(min-max)", "req/s", "this/bare", "p50 us", "p99 us")
    section = Section("1. The route: the same request in five ways", columns)
    for name in _WAYS:
        outcomes = [found.outcomes[name] for found in rounds]
        cpu = Spread.of(found.cpu.get(name, 0.0) for found in rounds)
        rate = Spread.of(each.rate for each in outcomes)
        p50, p99 = (Spread.of(getattr(each, at) for each in outcomes) for at in ("p50", "p99"))
        share = Spread.of(found.outcomes[name].rate / found.outcomes[_BARE].rate for found in rounds)
        section.figures[name] = {"cpu_us": cpu, "rate": rate, "rate_ratio": share, "p50_us": p50, "p99_us": p99}
        proxy = name != _DIRECT
        ratio = Spread.of(found.cpu[_BARE] / found.cpu[name] for found in rounds) if proxy else cpu
        low, middle, high = ratio.cells()
        section.rows.append(
            (
                name,
                f"{cpu.median:.0f}" if proxy else "-",
                middle if proxy else "-",
                f"({low}-{high})" if proxy else "-",
                f"{rate.median:,.0f}",
                share.cells()[1],
                f"{p50.median:,.0f}",
                f"{p99.median:,.0f}",
            )
        )
        if name == variants.FULL.name:
            section.aims.append(
                Aim("full route / bare Envoy, plain HTTP, CPU", f">= {AIM}", ratio.median, ratio.median >= AIM)
            )
            section.figures["cpu_ratio"] = ratio
    return section


def _parts(rounds: list[_Round]) -> Section:
    columns = ("the full route without ...", "CPU us/req", "min", "median", "max", "costs us/req")
    section = Section("   What each part costs: CPU of the route without it / CPU of the full route", columns)
    full = Spread.of(found.cpu[variants.FULL.name] for found in rounds)
    for variant in variants.PARTS:
        ratio = Spread.of(found.parts[variant.name] for found in rounds)
        section.figures[variant.name] = {"ratio": ratio}
        cost = full.median * (1 - ratio.median)
        section.rows.append((variant.name, f"{full.median - cost:.0f}", *ratio.cells(), f"{cost:+.1f}"))
    tls = Spread.of(found.cpu[variants.FULL.name] / found.cpu[variants.TLS.name] for found in rounds)
    section.rows.append(("TLS (full route / full route with TLS)", "", *tls.cells(), ""))
    section.figures["tls"] = tls
    section.remarks.append("Below 1.00 the part costs that much; 1.00 and more is the noise of the machine.")
    return section
