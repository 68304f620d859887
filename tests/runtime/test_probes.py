import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from runtime.prober import Target, ask, fresh, judge
from runtime.probes import PACE, Answer, ProbeState, begin, resume, step
from runtime.records import Care
from spec.release import Probe

PROBE = Probe(initial_delay=10, period=10, timeout=2, success_threshold=1, failure_threshold=3)
OK, FAILED, BUSY = Answer.OK, Answer.FAILED, Answer.BUSY


def walk(state: ProbeState, probe: Probe, answers: Sequence[tuple[float, Answer]]) -> ProbeState:
    for now, answer in answers:
        state = step(state, probe, answer, now)
    return state


STARTING = [
    # answers as (second, answer), then whether it passes
    pytest.param([], PROBE, None, id="nothing yet"),
    pytest.param([(0.3, OK)], PROBE, True, id="ready at the first answer, within initial_delay"),
    pytest.param([(0.3, OK)], Probe(success_threshold=2), None, id="one success of two"),
    pytest.param([(0.3, OK), (0.6, OK)], Probe(success_threshold=2), True, id="two of two"),
    pytest.param([(0.3, OK), (0.6, FAILED), (0.9, OK)], Probe(success_threshold=2), None, id="not in a row"),
    pytest.param([(t / 4, FAILED) for t in range(40 * 2)], PROBE, None, id="quick failures do not count"),
    pytest.param([(t / 4, FAILED) for t in range(4 * 39)], PROBE, None, id="two periods after initial_delay"),
    pytest.param([(t / 4, FAILED) for t in range(4 * 40 + 1)], PROBE, False, id="initial_delay + threshold * period"),
    pytest.param([(t, FAILED) for t in range(60)] + [(61, OK)], PROBE, True, id="late, but it serves"),
]


@pytest.mark.parametrize(("answers", "probe", "passing"), STARTING)
def test_a_process_that_starts(answers: list[tuple[float, Answer]], probe: Probe, *, passing: bool | None) -> None:
    assert walk(begin(probe, 0), probe, answers).passing is passing


RUNNING = [
    pytest.param([(10, FAILED), (20, FAILED)], True, id="two failures of three"),
    pytest.param([(10, FAILED), (20, FAILED), (30, FAILED)], False, id="three of three"),
    pytest.param([(10, FAILED), (20, FAILED), (30, OK), (40, FAILED)], True, id="a success clears"),
    pytest.param([(10, FAILED), (20, BUSY), (30, FAILED)], True, id="busy is no failure"),
    pytest.param([(10, FAILED), (20, FAILED), (30, BUSY), (40, FAILED)], False, id="busy is no success"),
    pytest.param([(10, FAILED), (20, FAILED), (30, FAILED), (40, OK)], True, id="back again"),
]


@pytest.mark.parametrize(("answers", "passing"), RUNNING)
def test_a_process_that_was_ready(answers: list[tuple[float, Answer]], *, passing: bool) -> None:
    assert walk(resume(0), PROBE, answers).passing is passing


def test_the_pace_is_quick_until_the_first_success_and_azures_afterwards() -> None:
    state = begin(PROBE, 0)
    assert state.due == 0
    state = step(state, PROBE, FAILED, 1)
    assert state.due == 1 + PACE
    state = step(state, PROBE, OK, 2)
    assert state.due == 12
    assert step(state, PROBE, FAILED, 12).due == 22


def test_only_the_probe_that_is_due_is_judged() -> None:
    care = Care(readiness=Probe(period=1), liveness=Probe(period=100))
    health = judge(fresh(care, 0), care, OK, 0.0)
    health = judge(health, care, FAILED, 1.0)
    assert (health.readiness.failures, health.liveness.failures) == (1, 0)


class Silent:
    """Accepts connections and answers after `delay` seconds."""

    def __init__(self, delay: float, status: int = 200) -> None:
        self.delay = delay
        self.status = status
        self.answers: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> Target:
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return Target("127.0.0.1", self.server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await asyncio.gather(*self.answers)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answers.append(asyncio.ensure_future(self._answer_late(reader, writer)))

    async def _answer_late(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await asyncio.sleep(self.delay)
        writer.write(f"HTTP/1.1 {self.status} X\r\n\r\n".encode())
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def one(_address: str, _port: int) -> int:
    return 1


async def none(_address: str, _port: int) -> int:
    return 0


async def unknown(_address: str, _port: int) -> int:
    raise ConnectionRefusedError


ASKED = [
    pytest.param(0, 200, none, OK, id="serves"),
    pytest.param(0, 399, none, OK, id="redirect"),
    pytest.param(0, 500, none, FAILED, id="says 500"),
    pytest.param(0.4, 200, none, FAILED, id="late and idle: hung"),
    pytest.param(0.4, 200, one, BUSY, id="late and scoring: busy"),
    pytest.param(0.4, 200, unknown, BUSY, id="late, and the router does not tell"),
    pytest.param(0.4, 500, one, FAILED, id="late, scoring, and 500"),
    pytest.param(1.5, 200, one, FAILED, id="later than its request timeout: hung"),
]


@pytest.mark.parametrize(("delay", "status", "in_flight", "answer"), ASKED)
async def test_asking(delay: float, status: int, in_flight: object, answer: Answer) -> None:
    async with Silent(delay, status) as target:
        assert await ask(target, 0.2, 0.8, in_flight) is answer  # type: ignore[arg-type]


async def test_nobody_listens() -> None:
    async with Silent(0) as target:
        pass
    assert await ask(target, 1, 1, one) is FAILED
