"""What became of a commit, judged from the status alone."""

import asyncio

from console.service import Service
from console.shapes import EndpointOutcome, EndpointStatus, Outcome, Status, SyncOutcome


def judge(status: Status, commit: str) -> SyncOutcome:
    """How far `commit` is: Failed or Held as soon as that is known, Ready only when everything is."""
    endpoints = tuple(
        judge_endpoint(endpoint, commit) for endpoint in status.endpoints if endpoint.provisioning_state != "Deleting"
    )
    problems = status.source.problems
    held = status.source.held
    return SyncOutcome(
        commit=commit,
        outcome=_outcome(
            failed=any(problem.severity == "error" for problem in problems)
            or any(endpoint.state == "Failed" for endpoint in endpoints),
            held=held is not None and held.commit == commit,
            ready=all(endpoint.state == "Ready" for endpoint in endpoints),
        ),
        endpoints=endpoints,
        problems=problems,
        held=held,
    )


def _outcome(*, failed: bool, held: bool, ready: bool) -> Outcome:
    if held:
        return "Held"
    if failed:
        return "Failed"
    return "Ready" if ready else "Progressing"


def judge_endpoint(endpoint: EndpointStatus, commit: str) -> EndpointOutcome:
    """How far one endpoint is; only conditions that were judged for `commit` count."""
    ready = endpoint.condition("Ready")
    stalled = endpoint.condition("Stalled")
    if stalled and stalled.status == "True" and stalled.observed_commit == commit:
        return EndpointOutcome(name=endpoint.name, state="Failed", reason=stalled.reason, message=stalled.message)
    if ready is None:
        return EndpointOutcome(name=endpoint.name, state="Progressing", reason="Unknown", message="not looked at yet")
    done = ready.status == "True" and ready.observed_commit == commit
    return EndpointOutcome(
        name=endpoint.name,
        state="Ready" if done else "Progressing",
        reason=ready.reason,
        message=ready.message,
    )


async def await_outcome(service: Service, timeout: float) -> SyncOutcome:  # noqa: ASYNC109 (the user's own limit)
    """Sync, then wait until the outcome is known, or `timeout` seconds are over (outcome `TimedOut`).

    A newer commit that arrives meanwhile is the one waited for. Raises `TransientError` if the source is away.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _await_final(service, await service.sync())
    except TimeoutError:
        status = await service.status()
        outcome = judge(status, status.source.attempted_commit or "")
        return outcome.model_copy(update={"outcome": "TimedOut"})


async def _await_final(service: Service, commit: str) -> SyncOutcome:
    while True:
        revision = service.revision()
        status = await service.status()
        outcome = judge(status, status.source.attempted_commit or commit)
        if outcome.outcome != "Progressing":
            return outcome
        await service.changed(revision)
