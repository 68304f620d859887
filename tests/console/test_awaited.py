"""What `sync --wait` says while it waits."""

import io
import threading
from types import SimpleNamespace

import pytest
from rich.console import Console

from console import awaited
from console.shapes import Condition, EndpointStatus, SourceShape, Status
from spec.errors import HeadgateError


def status(**reasons: str) -> Status:
    """Endpoints by reason; empty: Ready."""
    return Status(
        source=SourceShape(repository="/r"),
        endpoints=tuple(
            EndpointStatus(
                name=name,
                scoring_uri="",
                auth_mode="key",
                provisioning_state="Updating",
                conditions=(
                    Condition(type="Ready", status="False" if reason else "True", reason=reason, message=f"{name}!"),
                ),
            )
            for name, reason in reasons.items()
        ),
    )


def test_who_is_not_ready_is_named_and_the_rest_counted() -> None:
    assert awaited.summary(status(iris="", moons="Preparing")) == "Waiting for 1 endpoint: moons (Preparing)"
    many = status(a="X", b="X", c="Y", d="Z", e="")
    assert awaited.summary(many) == "Waiting for 4 endpoints: a (X), b (X), c (Y) and 1 more"
    assert awaited.summary(status(iris="")) == ""


def test_where_there_is_no_terminal_each_news_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaited, "EVERY", 0.001)
    answers = [
        status(iris="Preparing", moons="Preparing"),
        HeadgateError("busy"),
        status(iris="Preparing", moons=""),
        status(iris="ReplicasNotReady", moons=""),
        status(iris="Preparing", moons=""),
        status(iris="", moons=""),
    ]
    ended = threading.Event()

    def ask() -> Status:
        if not answers:
            ended.set()
            return status()
        found = answers.pop(0)
        if isinstance(found, HeadgateError):
            raise found
        return found

    console = Console(file=io.StringIO(), width=200)
    with awaited.told(SimpleNamespace(status=ask), console, "Waiting"):  # type: ignore[arg-type]
        assert ended.wait(10)
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "waiting for iris: Preparing: iris!",
        "waiting for moons: Preparing: moons!",
        "waiting for iris: ReplicasNotReady: iris!",
        "waiting for iris: Preparing: iris!",
    ]
