"""What people order of a rollout, as data."""

from dataclasses import dataclass
from typing import Literal, get_args

OrderKind = Literal["promote", "promote-full", "pause", "resume", "abort", "retry", "undo"]
KINDS: tuple[OrderKind, ...] = get_args(OrderKind)


@dataclass(frozen=True, slots=True)
class Order:
    """One order, given once; it is carried out, or refused with a reason, by the next decision."""

    kind: OrderKind
    id: str
    """From the giver, so that an order that is repeated after a lost answer is known."""
    by: str = ""
    """Who gave it, for events."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an order."""

    id: str
    done: bool
    message: str
    """What happens now, or why nothing does and what to do instead."""
