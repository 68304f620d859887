"""Rollouts of a running Headgate: where they are, why, and orders to them."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from console import rollouts
from console.rollout_view import rollout
from console.service import RefusedError
from console.shapes import EventShape
from console.views import Subject, percent
from reconciler.loop import Reconciler
from reconciler.orders import Order
from reconciler.target import target_split
from spec.errors import TransientError

ANSWERED_WITHIN_S = 30.0
LOOK_S, SHORTEST_S = 1.0, 0.2
"""Seconds between looks of a follower, for time alone changes what is left; and at least between two answers."""
EVENTS = 60
"""As many are told with an explanation."""


@dataclass
class Orders:
    """Answers from the reconciler's memory, and hands orders to its next decision."""

    reconciler: Reconciler
    subject: Callable[[str], Subject]

    def status(self, name: str) -> rollouts.RolloutShape:
        """Where the endpoint's move is."""
        plan = self.reconciler.plans.get(name)
        return rollout(self.subject(name), plan.because if plan else (), self.reconciler.clock.now())

    async def give(self, name: str, kind: rollouts.OrderName, body: rollouts.OrderBody) -> rollouts.OrderAnswer:
        """Give an order and return once it is carried out and remembered. Raises `RefusedError` if it is not."""
        order = Order(kind, body.id or secrets.token_hex(8), _printable(body.by))
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                answer = await self.reconciler.order(name, order)
        except TimeoutError as error:
            raise TransientError(
                f"{kind} was given to {name} and not taken within {ANSWERED_WITHIN_S:g} s, for Envoy or the runtime "
                f"has not answered; it is taken once they do. See `headgate rollout status {name}`"
            ) from error
        if not answer.done:
            raise RefusedError(f"{kind} was refused: {answer.message}")
        return rollouts.OrderAnswer(id=answer.id, done=True, message=answer.message, rollout=self.status(name))

    async def follow(self, name: str) -> AsyncIterator[rollouts.RolloutShape]:
        """The rollout now, and again whenever it differs, at least once a second while something moves."""
        last: rollouts.RolloutShape | None = None
        while True:
            revision = self.reconciler.revision
            found = self.status(name)
            if last is None or _differs(last, found):
                last = found
                yield found
                await asyncio.sleep(SHORTEST_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.reconciler.changed(revision), LOOK_S)

    async def explain(self, name: str) -> rollouts.Explanation:
        """Why the endpoint is as it is."""
        reconciler = self.reconciler
        memory = self.subject(name).memory
        ready = next((found for found in memory.conditions if found.type == "Ready"), None)
        rows = await reconciler.in_store(reconciler.store.events, name, 0, EVENTS)
        return rollouts.Explanation(
            endpoint=name,
            commit=memory.commit,
            asked=percent(target_split(memory.spec)),
            ready=rollouts.Reason(
                reason=ready.reason if ready else "Unobserved",
                message=ready.message if ready else "not looked at yet",
            ),
            rollout=self.status(name),
            events=tuple(EventShape.of(event) for _, event in rows),
        )


def _differs(last: rollouts.RolloutShape, found: rollouts.RolloutShape) -> bool:
    """Whether there is news; of what moves the time left is news too."""
    if found.state in ("settled", "removing") and not found.watch:
        return last.model_copy(update={"at": found.at}) != found
    return True


def _printable(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable())
