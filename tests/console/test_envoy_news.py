"""What is told of Envoy's process."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from console.envoy_news import EnvoyNews, condition
from observability.events import Event
from reconciler.loop import Reconciler
from router.supervisor import Phase, ProcessSeen

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
RUNS = ProcessSeen(Phase.RUNNING, 7)
SILENT = ProcessSeen(Phase.UNRESPONSIVE, 7, message="no answer")
ENDED = ProcessSeen(Phase.BACKING_OFF, message="it ended")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([RUNS], []),
        ([RUNS, replace(RUNS, message="old settings"), ProcessSeen()], []),
        ([RUNS, SILENT, RUNS], ["Warning EnvoyUnresponsive no answer", "Normal EnvoyAnswers Envoy (pid 7) answers"]),
        ([RUNS, ENDED, replace(ENDED, message="not yet"), replace(RUNS, pid=8)],
         ["Warning EnvoyEnded it ended", "Normal EnvoyRestarted Envoy was started again, with pid 8"]),
        ([RUNS, SILENT, ENDED], ["Warning EnvoyUnresponsive no answer", "Warning EnvoyEnded it ended"]),
    ],
)  # fmt: skip
async def test_each_change_is_told_once(changes: list[ProcessSeen], told: list[str]) -> None:
    events: list[Event] = []

    async def keep(event: Event) -> None:
        events.append(event)

    reconciler = SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW), announce=keep)
    news = EnvoyNews()
    for seen in changes:
        news.note(seen)
    following = asyncio.create_task(news.follow(cast("Reconciler", reconciler)))
    await asyncio.sleep(0.05)
    following.cancel()
    found = [f"{event.type} {event.reason} {event.message}" for event in events]
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (RUNS, ("True", "Running", "Envoy runs with pid 7")),
        (SILENT, ("False", "EnvoyUnresponsive", "no answer")),
        (ENDED, ("False", "BackingOff", "it ended")),
        (ProcessSeen(), ("False", "Stopped", "Envoy does not run")),
    ],
)
def test_the_condition_follows_the_process(seen: ProcessSeen, said: tuple[str, str, str]) -> None:
    found = condition(seen)
    assert (found.status, found.reason, found.message) == said
