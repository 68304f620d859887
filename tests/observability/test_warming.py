"""Warming up: requests until latency is steady, with limits in number and time."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from servers import Asked, Handler, Served, Write, answering, serving, whole

from observability.examination import Examination, Outcome
from observability.examiner import HttpExaminer
from observability.verdict import Verdict
from observability.warming import is_steady, milliseconds
from spec.checks import Check, Checks

CHECKS = Checks("c.yml", (Check("a", body="1"), Check("b", body="2"), Check("c", body="3")), "0" * 12)


def slow_at_first(count: int, seconds: float) -> Handler:
    asked = 0

    async def handle(_: Asked, write: Write) -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(seconds if asked <= count else 0.02)
        await write(whole({}))

    return handle


async def warm(
    *handlers: Handler, requests: int = 50, for_s: float = 30, checks: Checks | None = CHECKS
) -> tuple[Outcome, list[Served]]:
    async with AsyncExitStack() as stack:
        served = [await stack.enter_async_context(serving(one)) for one in handlers]
        replicas = tuple(one.address for one in served)
        examination = Examination(
            "warmup", "shop", "blue@2", replicas=replicas, checks=checks, requests=requests, for_s=for_s
        )
        return await HttpExaminer().examine(examination), served


@pytest.mark.parametrize(
    ("latencies", "steady"),
    [
        ([], False),
        ([1.0] * 19, False),
        ([1.0] * 20, True),
        ([9.0] * 30 + [1.0] * 20, True),
        ([1.0] * 10 + [1.2] * 10, True),
        ([1.0] * 10 + [1.21] * 10, False),
        ([1.0] * 10 + [0.79] * 10, False),
        ([1.0] * 10 + [0.9] * 6 + [50.0] * 4, True),
    ],
)
def test_steady(latencies: list[float], steady: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_steady(latencies) == steady


@pytest.mark.parametrize(("seconds", "text"), [(0.84, "840 ms"), (0.0124, "12.4 ms"), (1.25, "1250 ms")])
def test_milliseconds(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text


async def test_until_latency_is_steady() -> None:
    outcome, (served,) = await warm(slow_at_first(8, 0.15), requests=200)
    count = len(served.asked)
    assert outcome.verdict is Verdict.GOOD
    assert outcome.message.startswith("p50 from 1")
    assert outcome.message.endswith(f" ms after {count} requests")
    assert 20 <= count < 200
    assert [asked.body for asked in served.asked[:4]] == [b"1", b"2", b"3", b"1"]
    assert served.most_at_once == 1


async def test_each_replica_until_it_is_steady_itself() -> None:
    outcome, served = await warm(slow_at_first(8, 0.1), slow_at_first(0, 0), requests=200)
    counts = [len(one.asked) for one in served]
    assert outcome.message.endswith(f" after {max(counts)} requests to each of 2 replicas")
    assert all(20 <= count < 200 for count in counts)


async def test_the_number_of_requests_is_limited() -> None:
    delays = iter(range(1000))

    async def slower_and_slower(_: Asked, write: Write) -> None:
        await asyncio.sleep(0.01 * 1.2 ** next(delays))
        await write(whole({}))

    outcome, (served,) = await warm(slower_and_slower, requests=21)
    assert outcome.verdict is Verdict.GOOD
    assert outcome.message.endswith(" after 21 requests; not steady yet")
    assert len(served.asked) == 21


async def test_its_time_is_limited() -> None:
    outcome, (served,) = await warm(slow_at_first(99, 0.1), for_s=0.55)
    assert outcome.verdict is Verdict.GOOD
    assert outcome.message.endswith("; its time of 0.55 s was over")
    assert 2 <= len(served.asked) <= 6


async def test_wrong_answers_are_counted_and_no_matter() -> None:
    outcome, _ = await warm(answering(lambda _: whole("", 500)), requests=3)
    assert outcome.verdict is Verdict.GOOD
    assert "3 got another status than their check asks for" in outcome.message


async def test_without_checks_there_is_nothing_to_send() -> None:
    outcome, (served,) = await warm(answering(lambda _: whole("")), checks=None)
    assert outcome.verdict is Verdict.GOOD
    assert "the deployment has no checks" in outcome.message
    assert served.asked == []


async def test_nobody_is_there(closed_port: int) -> None:
    replicas = (("127.0.0.1", closed_port),)
    examination = Examination("warmup", "shop", "blue@2", replicas, checks=CHECKS, requests=5, for_s=5)
    outcome = await HttpExaminer().examine(examination)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.message.startswith("no replica could be warmed up: no connection")


async def test_a_replica_that_hangs_ends_with_the_time() -> None:
    async def stay(_: Asked, __: Write) -> None:
        await asyncio.sleep(60)

    outcome, _ = await warm(stay, for_s=0.3)
    assert outcome == Outcome(Verdict.ERROR, "no replica could be warmed up: its time of 0.3 s was over")


async def test_one_of_two_hangs() -> None:
    async def stay(_: Asked, __: Write) -> None:
        await asyncio.sleep(60)

    outcome, _ = await warm(stay, answering(lambda _: whole({})), for_s=0.6)
    assert outcome.verdict is Verdict.GOOD
    assert "1 of 2 replicas did not answer at all" in outcome.message
