"""Examinations under way and their outcomes: what the loop keeps of them. For one event loop."""

import asyncio
from collections.abc import Callable, Mapping

from observability.examination import Address, Examination
from observability.verdict import Verdict
from reconciler.clock import Clock
from reconciler.plan import Examine
from reconciler.ports import Examiner
from reconciler.split import Split
from reconciler.state import Memory, Settled, run_of, trial_of
from reconciler.trial import Examined, Key
from router.table import Backend
from spec.errors import HeadgateError
from spec.policy import Gate, WarmUp


class Examinations:
    """Starts what a plan asks for, once each, and calls `done(endpoint)` as each ends."""

    def __init__(self, examiner: Examiner, clock: Clock, done: Callable[[str], None]) -> None:
        self._examiner, self._clock, self._done = examiner, clock, done
        self._outcomes: dict[str, dict[Key, Examined]] = {}
        self._tasks: dict[tuple[str, Key], asyncio.Task[None]] = {}

    def outcomes(self, endpoint: str) -> Mapping[Key, Examined]:
        """The last outcome of each, by gate and release."""
        return self._outcomes.get(endpoint, {})

    def start(self, memory: Memory, wanted: tuple[Examine, ...]) -> None:
        """Start what is not under way, nor ended since it was asked for; nobody waits for it."""
        for one in wanted:
            key = (memory.endpoint, (one.gate, one.release.name))
            known = self.outcomes(memory.endpoint).get(key[1])
            if key not in self._tasks and (known is None or known.at <= one.after):
                examination = describe_examination(memory, one)
                self._tasks[key] = asyncio.create_task(self._run(key, examination))

    def settle(self, memory: Memory) -> None:
        """Nothing moves there any more: end what is under way, and keep the last outcomes of what is still there."""
        for key, task in list(self._tasks.items()):
            if key[0] == memory.endpoint:
                task.cancel()
        known = {found.ref.name for found in memory.releases}
        kept = {key: one for key, one in self.outcomes(memory.endpoint).items() if key[1] in known}
        self.forget(memory.endpoint)
        if kept:
            self._outcomes[memory.endpoint] = kept

    def forget(self, endpoint: str) -> None:
        """The endpoint is gone."""
        self._outcomes.pop(endpoint, None)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: tuple[str, Key], examination: Examination) -> None:
        endpoint, name = key
        try:
            outcome = await self._examiner.examine(examination)
            found = Examined(self._clock.now(), outcome.verdict, outcome.message)
        except HeadgateError as error:
            found = Examined(self._clock.now(), Verdict.ERROR, str(error))
        finally:
            self._tasks.pop(key, None)
        self._outcomes.setdefault(endpoint, {})[name] = found
        self._done(endpoint)


def describe_examination(memory: Memory, one: Examine) -> Examination:
    """Everything that an examiner needs, from the route last decided and from Git. Pure."""
    run, judged = run_of(memory.phase), run_of(memory.phase) or trial_of(memory.phase)
    gate = judged.policy.gate(one.gate) if judged else None
    warm_up = run.rung if run and isinstance(run.rung, WarmUp) else None
    backends = {backend.release: backend for backend in (memory.route.backends if memory.route else ())}
    own = backends.get(one.release.name)
    deployment = memory.spec.deployment(one.release.deployment) if memory.spec else None
    return Examination(
        kind=one.kind,
        endpoint=memory.endpoint,
        release=one.release.name,
        replicas=_open(own),
        stable=_open(_stable(_proven(memory), one.release.deployment, backends)),
        paths=own.paths if own else ("/score", "/swagger.json", "/"),
        checks=deployment.checks if deployment else None,
        url=gate.url if gate else "",
        timeout_s=gate.timeout_s if gate else Gate("").timeout_s,
        requests=warm_up.requests if warm_up else 0,
        for_s=warm_up.for_s if warm_up else 0,
    )


def _open(backend: Backend | None) -> tuple[Address, ...]:
    return tuple((host.address, host.port) for host in (backend.hosts if backend else ()) if not host.draining)


def _proven(memory: Memory) -> Split:
    """What a release on trial, or one that is watched, is compared with."""
    run = run_of(memory.phase)
    if run is not None:
        return tuple((name, share) for name, share in run.source if name not in run.candidates)
    match memory.phase:
        case Settled(split=split, watch=watch) if watch is not None:
            return tuple((name, share) for name, share in watch.previous if name not in watch.candidates(split))
        case _:
            return ()


def _stable(proven: Split, deployment: str, backends: Mapping[str, Backend]) -> Backend | None:
    """The settled release of the same deployment, or the largest one."""
    settled = [(share, name) for name, share in proven if name in backends]
    same = [name for _, name in settled if name.split("@", 1)[0] == deployment]
    names = same or [name for _, name in sorted(settled, reverse=True)]
    return backends[names[0]] if names else None
