"""Running Headgate in the foreground until a signal ends it."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

from console.lock import hold
from console.logbook import logging_to
from console.paths import Paths, prepare
from console.progress import Progress
from console.settings import Settings
from forge.location import mask

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


def show_urls(settings: Settings, progress: Progress) -> None:
    """Let the progress show where an endpoint is once it is Ready."""
    from console.wiring import address_of

    address = address_of(settings)
    progress.url_of = lambda endpoint: f"{address.base(endpoint)}/score"


def _greet(settings: Settings, progress: Progress) -> None:
    where = mask(settings.repo or "") + (f", branch {settings.branch}" if settings.branch else "")
    where += f", folder {settings.path}" if settings.path else ""
    api = f"\nThe HTTP API is on {settings.api_address}:{settings.api_port}." if settings.api_port else ""
    progress.say(f"Following {where}; Headgate's memory is in {settings.state_dir}.{api}")
    progress.rename("reading the repository")


async def serve(settings: Settings, progress: Progress) -> bool:
    """Run Headgate until a signal; return whether its endpoints go on serving (not if `down` ended it).

    The lock comes before the slow imports, so that a second Headgate is refused, and clients wait, from the start.
    Raises what `console.app.run` does, and `StalledError` for a local path that leads to no repository.
    """
    paths = Paths(settings.state_dir)
    prepare(paths)
    stop = asyncio.Event()
    with hold(paths.lock_file), until_signal(stop), logging_to(settings, progress):
        paths.down_mark.unlink(missing_ok=True)
        from console.app import run
        from console.whereabouts import check_repository

        check_repository(settings, paths)
        show_urls(settings, progress)
        await run(settings, stop=stop, report=progress.report, started=lambda: _greet(settings, progress))
        return not paths.down_mark.exists()
