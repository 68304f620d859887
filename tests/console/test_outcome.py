"""What became of a commit."""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from console.outcome import await_outcome, judge
from console.shapes import ProblemShape, Status
from spec.errors import TransientError

if TYPE_CHECKING:
    from conftest import FakeService

BROKEN = ProblemShape(
    file="iris/endpoint.yml", line=3, column=1, field="traffic", found="90", allowed="0 or 100", message="sums to 90",
    severity="error",
)  # fmt: skip


def status(given: SimpleNamespace, *endpoints: object, **source: object) -> Status:
    return Status(source=given.source(**source), endpoints=endpoints)


def test_ready_only_when_every_endpoint_is_ready_for_that_commit(given: SimpleNamespace) -> None:
    fine = given.endpoint("a")
    old = given.endpoint("b", given.condition("Ready", commit=given.OLDER))
    assert judge(status(given, fine), given.COMMIT).outcome == "Ready"
    assert judge(status(given, fine, old), given.COMMIT).outcome == "Progressing"
    assert judge(status(given), given.COMMIT).outcome == "Ready"


def test_failed_as_soon_as_one_is_stalled_for_that_commit(given: SimpleNamespace) -> None:
    bad = given.endpoint(
        "b",
        given.condition("Ready", "False", "InitFailed", "init() raised"),
        given.condition("Stalled", "True", "InitFailed", "init() raised"),
        state="Failed",
    )
    waiting = given.endpoint("a", given.condition("Ready", "Unknown", "Preparing", "building"))
    found = judge(status(given, waiting, bad), given.COMMIT)
    assert found.outcome == "Failed"
    assert [(e.name, e.state, e.reason) for e in found.endpoints] == [
        ("a", "Progressing", "Preparing"),
        ("b", "Failed", "InitFailed"),
    ]


def test_a_stall_of_an_older_commit_is_not_held_against_this_one(given: SimpleNamespace) -> None:
    old = given.endpoint("b", given.condition("Stalled", "True", "InitFailed", "old", commit=given.OLDER))
    assert judge(status(given, old), given.COMMIT).outcome == "Progressing"


def test_an_error_in_a_file_fails_and_a_warning_does_not(given: SimpleNamespace) -> None:
    fine = given.endpoint("a")
    assert judge(status(given, fine, problems=(BROKEN,)), given.COMMIT).outcome == "Failed"
    mild = BROKEN.model_copy(update={"severity": "warning"})
    assert judge(status(given, fine, problems=(mild,)), given.COMMIT).outcome == "Ready"


def test_held_removals_are_an_outcome(given: SimpleNamespace) -> None:
    found = judge(status(given, given.endpoint("a"), held=given.held("b", "c")), given.COMMIT)
    assert found.outcome == "Held"
    assert found.held
    assert found.held.removes == ("b", "c")


def test_an_endpoint_on_its_way_out_is_not_waited_for(given: SimpleNamespace) -> None:
    going = given.endpoint("b", given.condition("Ready", "Unknown", "Deleting"), state="Deleting")
    assert judge(status(given, given.endpoint("a"), going), given.COMMIT).outcome == "Ready"


async def test_waiting_ends_with_the_change_that_decides(service: "FakeService", given: SimpleNamespace) -> None:
    building = given.endpoint("iris", given.condition("Ready", "Unknown", "Preparing", "building"))
    service.tell(status(given, building))
    waiting = asyncio.create_task(await_outcome(service, 60))
    await asyncio.sleep(0)
    service.tell(status(given, building))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    service.tell(status(given, given.endpoint("iris")))
    assert (await waiting).outcome == "Ready"


async def test_a_newer_commit_is_the_one_waited_for(service: "FakeService", given: SimpleNamespace) -> None:
    service.tell(status(given, given.endpoint("iris", given.condition("Ready", "Unknown", "Preparing"))))
    waiting = asyncio.create_task(await_outcome(service, 60))
    await asyncio.sleep(0.01)
    newer = "f" * 40
    service.tell(status(given, given.endpoint("iris"), attempted_commit=newer))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    service.tell(
        status(given, given.endpoint("iris", given.condition("Ready", commit=newer)), attempted_commit=newer)
    )
    found = await waiting
    assert (found.outcome, found.commit) == ("Ready", newer)


async def test_waiting_ends_at_the_timeout_and_says_what_is_missing(
    service: "FakeService", given: SimpleNamespace
) -> None:
    service.tell(status(given, given.endpoint("iris", given.condition("Ready", "Unknown", "Preparing", "building"))))
    found = await await_outcome(service, 0.05)
    assert found.outcome == "TimedOut"
    assert [(e.name, e.message) for e in found.endpoints] == [("iris", "building")]


async def test_a_source_that_is_away_is_an_error(service: "FakeService") -> None:
    service.error = TransientError("the remote does not answer")
    with pytest.raises(TransientError):
        await await_outcome(service, 5)
