"""A whole Headgate in a process of its own, with replicas that are one shared server; says what it has done.

Everything else is what `headgate up` runs: Git, loader, reconciler, memory, Envoy, API.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import console.app
from benchmarks.shared import SharedRuntime
from console import wiring
from console.down import stop_envoy
from console.paths import Paths
from console.settings import Settings
from console.wiring import Parts
from reconciler.clock import Clock


async def main(given: dict[str, Any]) -> None:
    """Serve until SIGTERM or the end of standard input, then end Envoy too."""
    tasks: list[asyncio.Task[None]] = []

    async def build(settings: Settings, paths: Paths, installation: str, clock: Clock | None = None) -> Parts:
        parts = await wiring.build(settings, paths, installation, clock)
        runtime: Any = SharedRuntime(given["ports"], parts.runtime.logs)
        parts.runtime = parts.reconciler.runtime = runtime
        tasks.append(asyncio.create_task(_tell(parts)))
        return parts

    console.app.build = build  # type: ignore[attr-defined]
    settings = Settings(
        repo=given["repo"],
        path=given["path"],
        port=given["port"],
        plain_http=True,
        state_dir=Path(given["state"]),
        log_level="warning",
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    threading.Thread(target=_end_with_parent, args=(loop, stop), daemon=True).start()
    try:
        await console.app.run(settings, stop=stop, report=lambda _: None)
    finally:
        for task in tasks:
            task.cancel()
        await stop_envoy(Paths(settings.state_dir))


async def _tell(parts: Parts) -> None:
    """Print a line whenever another commit is loaded or fully applied, and once Envoy runs."""
    said: tuple[str, str, int] | None = None
    reconciler, revision = parts.reconciler, -1
    while True:
        await reconciler.changed(revision)
        revision = reconciler.revision
        commit = reconciler.catalog.commit if reconciler.catalog else ""
        # The last pass notes what is applied right after it counted.
        await asyncio.sleep(0)
        now = (commit, reconciler.applied or "", parts.router.process.seen.pid)
        if now != said:
            said = now
            facts = dict(zip(("commit", "applied", "envoy"), now, strict=True))
            print(json.dumps({**facts, "at": time.time_ns()}), flush=True)


def _end_with_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    sys.stdin.read()
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
    os._exit(0)
