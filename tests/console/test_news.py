"""What is told of the source while Headgate runs."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from console.news import SourceNews, adoption, announce
from forge.snapshot import SourceSeen
from observability.events import Event, EventType
from reconciler.loop import Reconciler
from runtime.replica import Preparation, ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.catalog import Catalog
from spec.errors import TransientError
from spec.problem import Problem
from spec.release import ReleaseRef

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
COMMIT = "3f2a9c41d0e7b5a6c8f9e0d1a2b3c4d5e6f70819"


@dataclass
class Scene:
    """A reconciler's outside, as far as the news look at it."""

    seen: SourceSeen = field(default_factory=lambda: SourceSeen(None, None, None))
    catalog: Catalog | None = None
    memories: dict[str, object] = field(default_factory=dict)
    clock: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(now=lambda: NOW))
    told: list[Event] = field(default_factory=list)

    @property
    def source(self) -> SimpleNamespace:
        return SimpleNamespace(seen=lambda: self.seen)

    def news(self) -> SourceNews:
        return SourceNews(cast("Reconciler", self))

    def look(self, news: SourceNews) -> None:
        self.told += news.tell()


def test_an_unreadable_source_is_told_once_and_says_what_to_do() -> None:
    scene = Scene(seen=SourceSeen(None, "/srv/models is not there: name another.", NOW))
    news = scene.news()
    scene.look(news)
    scene.look(news)
    [event] = scene.told
    assert (event.reason, event.type) == ("SourceUnreadable", EventType.WARNING)
    assert event.message.startswith("/srv/models is not there: name another. Nothing could be read yet")
    assert "headgate sync" in event.message


async def test_an_event_is_logged_kept_and_told_and_a_store_that_is_away_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    told: list[Event] = []

    async def keep(event: Event) -> None:
        told.append(event)
        if len(told) > 1:
            raise TransientError("the disk is full")

    reconciler = cast("Reconciler", SimpleNamespace(announce=keep))
    for kind in EventType:
        await announce(reconciler, Event(NOW, "", "CommitRead", "x", kind))
    assert [event.type for event in told] == [EventType.NORMAL, EventType.WARNING]
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING, logging.WARNING]


def test_what_is_taken_over_at_the_start_is_told() -> None:
    def release(digest: str, *states: ReplicaState) -> tuple[ReleaseRef, ReleaseSeen]:
        replicas = tuple(ReplicaSeen(f"r{index}", state) for index, state in enumerate(states))
        return ReleaseRef("iris", "blue", digest), ReleaseSeen(Preparation(Stage.PREPARED), replicas=replicas)

    ready = ReplicaState.READY
    assert adoption(None, NOW) is None
    assert adoption(dict([release("1")]), NOW) is None
    event = adoption(dict([release("1", ready, ready), release("2", ready)]), NOW)
    assert event is not None
    assert (event.reason, event.message) == (
        "ReplicasAdopted",
        "taken over 3 replicas of 2 releases that went on serving",
    )
    event = adoption(dict([release("1", ready, ReplicaState.WAITING)]), NOW)
    assert event is not None
    assert event.message.endswith("; 1 of them not ready")


def test_another_problem_and_its_end_are_told() -> None:
    scene = Scene(memories={"iris": object()}, seen=SourceSeen(None, "away", NOW))
    news = scene.news()
    scene.look(news)
    scene.seen = SourceSeen(None, "no branch", NOW)
    scene.look(news)
    scene.seen = SourceSeen(COMMIT, None, NOW)
    scene.look(news)
    assert [event.reason for event in scene.told] == ["SourceUnreadable", "SourceUnreadable", "SourceReadable"]
    assert "away. What is live goes on" in scene.told[0].message
    assert scene.told[2].message == "at commit 3f2a9c4"


def test_each_commit_is_told_once_with_its_errors() -> None:
    scene = Scene(catalog=Catalog(COMMIT))
    news = scene.news()
    scene.look(news)
    scene.look(news)
    assert [event.message for event in scene.told] == ["3f2a9c4 declares no endpoints"]
    wrong = Problem("a.yml", 1, 1, "traffic", "sums to 90", "90", "100")
    scene.catalog = Catalog("0badc0ffee", unattributed=(wrong,))
    scene.look(news)
    assert scene.told[1].type is EventType.WARNING
    assert "1 error (`headgate status` shows where)" in scene.told[1].message
