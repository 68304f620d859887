"""A real Envoy that hangs: noticed, waited for a while, killed, and started again."""

import asyncio
import os
import signal

import pytest

from router import process as processes
from router.pulse import Pulse
from router.supervisor import Phase
from spec.errors import TransientError
from tests.router.place import place, ready, until
from tests.router.xds.rig import StartRig, backend, endpoint

SCORE = "/endpoints/iris/score"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in a tenth of the time."""
    for name, seconds in (("PROBE_S", 0.2), ("UNRESPONSIVE_S", 1.0), ("HUNG_S", 3.0)):
        monkeypatch.setattr(f"router.pulse.{name}", seconds)


@pytest.mark.real
@pytest.mark.usefixtures("hasty")
async def test_a_hung_envoy_is_killed_and_started_again() -> None:
    async with place() as where:
        envoy = where.envoy()
        seen = await envoy.start()
        await ready(envoy)
        os.kill(seen.pid, signal.SIGSTOP)
        await until(lambda: envoy.seen.restarts == 1 and envoy.seen.phase is Phase.RUNNING, 10)
        await ready(envoy)
        assert await where.get() == "one"
        assert processes.identify(seen.pid) is None
        phases = [state.phase for state in where.states]
        assert phases == [Phase.RUNNING, Phase.UNRESPONSIVE, Phase.BACKING_OFF, Phase.RUNNING]
        assert f"pid {seen.pid}) has not answered for 1 s" in where.states[1].message
        assert "did not answer for 3 s and was killed; it starts again in 0 s" in where.states[2].message
        await envoy.stop()


@pytest.mark.real
@pytest.mark.usefixtures("hasty")
async def test_an_envoy_that_answers_again_in_time_goes_on() -> None:
    async with place() as where:
        envoy = where.envoy()
        seen = await envoy.start()
        await ready(envoy)
        for _ in range(2):
            os.kill(seen.pid, signal.SIGSTOP)
            await until(lambda: envoy.seen.phase is Phase.UNRESPONSIVE)
            await asyncio.sleep(1)
            os.kill(seen.pid, signal.SIGCONT)
            await until(lambda: envoy.seen.phase is Phase.RUNNING, 1)
        # Each silence was shorter than the limit, both together were not.
        await asyncio.sleep(1)
        assert (envoy.seen, await where.get()) == (seen, "one")
        await envoy.stop()


@pytest.mark.real
@pytest.mark.usefixtures("hasty")
async def test_of_a_hung_envoy_nothing_is_known_and_whom_it_serves_hears_of_it(start_rig: StartRig) -> None:
    rig = await start_rig()
    server = await rig.server("blue")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    told: list[str] = []
    rig.router.subscribe(told.append)
    os.kill(rig.router.process.seen.pid, signal.SIGSTOP)
    await until(lambda: rig.router.process.seen.phase is Phase.UNRESPONSIVE)
    assert (rig.router.seen(), rig.router.connected, told) == (None, False, ["iris"])
    await until(lambda: rig.router.process.seen.restarts == 1)
    await until(rig.settled)
    assert (await rig.client().send(SCORE)).status == 200
    assert set(told) == {"iris"}


@pytest.mark.usefixtures("hasty")
async def test_a_late_answer_to_an_early_question_is_an_answer() -> None:
    """What a loaded machine delays is not silence."""
    asked = 0

    async def slow(_: float) -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.5)

    pulse = Pulse(slow)
    silences = [await pulse.beat() for _ in range(8)]
    pulse.close()
    assert 0.0 in silences[1:]
    assert max(silences) < 0.9
    assert asked > 2


@pytest.mark.usefixtures("hasty")
async def test_who_refuses_is_not_silent() -> None:
    async def refuse(_: float) -> None:
        raise TransientError("nobody is there")

    pulse = Pulse(refuse)
    assert {await pulse.beat() for _ in range(3)} == {0.0}


@pytest.mark.usefixtures("hasty")
async def test_the_time_in_which_headgate_itself_slept_does_not_count() -> None:
    async def hang(_: float) -> None:
        await asyncio.Event().wait()

    pulse = Pulse(hang)
    assert await pulse.beat() == pytest.approx(0.2)
    assert await pulse.beat() == pytest.approx(0.4)
    beat = asyncio.create_task(pulse.beat())
    await asyncio.sleep(0)
    # Suspended: the loop does nothing for long.
    os.system("sleep 1")  # noqa: S605, ASYNC221
    assert await beat == pytest.approx(0.4)
    assert await pulse.beat() == pytest.approx(0.6)
    pulse.close()
