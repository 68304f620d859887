"""Running Headgate in the foreground until a signal ends it."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

from console.settings import Settings
from observability.events import Event

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def until_signal(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at the first SIGINT, SIGTERM or SIGHUP; must be entered on the running loop."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def serve(settings: Settings, report: Callable[[Event], None]) -> None:
    """Run Headgate until a signal; the endpoints go on serving after it."""
    from console import app

    stop = asyncio.Event()
    with until_signal(stop):
        await app.run(settings, stop=stop, report=report)
