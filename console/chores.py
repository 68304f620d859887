"""What is done again and again while Headgate runs."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from spec.errors import HeadgateError

Subject = TypeVar("Subject")

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def repeated(
    subject: Subject, chores: Iterable[tuple[Callable[[Subject], Awaitable[None]], float]]
) -> AsyncIterator[None]:
    """Do each with the subject every so many seconds while the block runs.

    What is under way when the block ends is cut off, which is no fault to tell of.
    """
    scheduler = AsyncIOScheduler(timezone="UTC")
    for work, seconds in chores:
        scheduler.add_job(_guarded, "interval", seconds=seconds, args=(work, subject), coalesce=True, max_instances=1)
    scheduler.start()
    try:
        yield
    finally:
        # One that was cancelled before its first step could not be silent, so each begun one gets that step.
        scheduler.pause()
        await asyncio.sleep(0)
        scheduler.shutdown(wait=False)


async def _guarded(work: Callable[[Subject], Awaitable[None]], subject: Subject) -> None:
    name = getattr(work, "__name__", "work").strip("_")
    try:
        await work(subject)
    except HeadgateError as error:
        log.warning("%s: %s", name, error)
    except asyncio.CancelledError:
        # Only the end of the scheduler cancels, and it would log what it cancelled as a fault.
        log.debug("%s was cut off by the stop", name)
