"""What is told of the source while Headgate runs."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from console.news import SourceNews
from forge.snapshot import SourceSeen
from observability.events import Event, EventType
from reconciler.loop import Reconciler
from spec.catalog import Catalog
from spec.problem import Problem

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
        return SourceNews(cast("Reconciler", self), self.told.append)


def test_an_unreadable_source_is_told_once_and_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(seen=SourceSeen(None, "/srv/models is not there: name another.", NOW))
    news = scene.news()
    news.tell()
    news.tell()
    [event] = scene.told
    assert (event.reason, event.type) == ("SourceUnreadable", EventType.WARNING)
    assert event.message.startswith("/srv/models is not there: name another. Nothing could be read yet")
    assert "headgate sync" in event.message
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_another_problem_and_its_end_are_told() -> None:
    scene = Scene(memories={"iris": object()}, seen=SourceSeen(None, "away", NOW))
    news = scene.news()
    news.tell()
    scene.seen = SourceSeen(None, "no branch", NOW)
    news.tell()
    scene.seen = SourceSeen(COMMIT, None, NOW)
    news.tell()
    assert [event.reason for event in scene.told] == ["SourceUnreadable", "SourceUnreadable", "SourceReadable"]
    assert "away. What is live goes on" in scene.told[0].message
    assert scene.told[2].message == "at commit 3f2a9c4"


def test_each_commit_is_told_once_with_its_errors() -> None:
    scene = Scene(catalog=Catalog(COMMIT))
    news = scene.news()
    news.tell()
    news.tell()
    assert [event.message for event in scene.told] == ["3f2a9c4 declares no endpoints"]
    wrong = Problem("a.yml", 1, 1, "traffic", "sums to 90", "90", "100")
    scene.catalog = Catalog("0badc0ffee", unattributed=(wrong,))
    news.tell()
    assert scene.told[1].type is EventType.WARNING
    assert "1 error (`headgate status` shows where)" in scene.told[1].message
