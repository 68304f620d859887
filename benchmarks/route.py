"""Part 1: what the full route costs, against a bare Envoy and against the backend itself."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, statics, variants
from benchmarks.figures import Aim, Progress, Section, Spread
from benchmarks.load import Generator, Outcome, Target
from benchmarks.options import Options

AIM = 0.85
_DIRECT, _BARE = "backend, directly", "bare Envoy, one route"


@dataclass(frozen=True, slots=True)
class _Lane:
    """One way to the backend; `pid` of the proxy, 0: there is none."""

    pid: int
    target: Target


@dataclass(frozen=True, slots=True)
class _Slice:
    """One slice of load; `cpu` in microseconds of the proxy for each request."""

    outcome: Outcome
    cpu: float


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
        f"{options.rounds} rounds of slices of {options.seconds:g} s in turn, {options.connections} connections.",
        f"Load: {generator.name}.",
        "One worker in each Envoy. Generator, proxy and backend share the cores, so the proxy's CPU for a",
        "request is the measure (bare/this), and requests/s (this/bare) come second.",
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
    for number, variant in enumerate((variants.FULL, variants.TLS, *variants.PARTS)):
        found = await stack.enter_async_context(variants.running(variant, folder / f"v{number}", upstream))
        lanes[variant.name] = _Lane(found.pid, found.target)
    return lanes


async def _round(
    generator: Generator, lanes: Mapping[str, _Lane], seconds: float, number: int, progress: Progress
) -> dict[str, _Slice]:
    """Load every way once, each round in the opposite order of the one before."""
    progress(f"route: round {number + 1}, {len(lanes)} slices")
    order = list(lanes) if number % 2 else list(lanes)[::-1]
    return {name: await _slice(generator, lanes[name], seconds) for name in order}


async def _slice(generator: Generator, lane: _Lane, seconds: float) -> _Slice:
    before = machine.cpu_seconds(lane.pid) if lane.pid else 0.0
    outcome = await generator.run(lane.target, seconds)
    spent = machine.cpu_seconds(lane.pid) - before if lane.pid else 0.0
    return _Slice(outcome, spent / outcome.requests * 1e6)


def _routes(rounds: list[dict[str, _Slice]]) -> Section:
    columns = ("", "CPU us/req", "bare/this", "(min-max)", "req/s", "this/bare", "p50 us", "p99 us")
    section = Section("1. The route: the same request in four ways", columns)
    for name in (_DIRECT, _BARE, variants.FULL.name, variants.TLS.name):
        slices = [found[name] for found in rounds]
        cpu = Spread.of(each.cpu for each in slices)
        rate = Spread.of(each.outcome.rate for each in slices)
        p50, p99 = (Spread.of(getattr(each.outcome, at) for each in slices) for at in ("p50", "p99"))
        share = Spread.of(found[name].outcome.rate / found[_BARE].outcome.rate for found in rounds)
        section.figures[name] = {"cpu_us": cpu, "rate": rate, "rate_ratio": share, "p50_us": p50, "p99_us": p99}
        proxy = name != _DIRECT
        ratio = (
            Spread.of(found[_BARE].cpu / each.cpu for found, each in zip(rounds, slices, strict=True) if each.cpu)
            if proxy
            else cpu
        )
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


def _parts(rounds: list[dict[str, _Slice]]) -> Section:
    columns = ("the full route without ...", "CPU us/req", "min", "median", "max", "costs us/req")
    section = Section("   What each part costs: CPU of the route without it / CPU of the full route", columns)
    full = Spread.of(found[variants.FULL.name].cpu for found in rounds)
    for variant in variants.PARTS:
        cpu = Spread.of(found[variant.name].cpu for found in rounds)
        ratio = Spread.of(found[variant.name].cpu / found[variants.FULL.name].cpu for found in rounds)
        section.figures[variant.name] = {"cpu_us": cpu, "ratio": ratio}
        section.rows.append((variant.name, f"{cpu.median:.0f}", *ratio.cells(), f"{full.median - cpu.median:+.1f}"))
    tls = Spread.of(found[variants.FULL.name].cpu / found[variants.TLS.name].cpu for found in rounds)
    section.rows.append(("TLS (full route / full route with TLS)", "", *tls.cells(), ""))
    section.figures["tls"] = tls
    section.remarks.append("Below 1.00 the part costs that much; 1.00 and more is the noise of the machine.")
    return section
