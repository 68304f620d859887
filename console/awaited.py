"""What a command that waits for endpoints waits for, said on standard error while it does."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from console.gist import gist
from console.shapes import Status
from spec.errors import HeadgateError

if TYPE_CHECKING:
    from rich.console import Console

    from console.client import Client

EVERY = 2.0
"""Seconds between two looks; one that takes long is not repeated as soon."""
MOST_NAMED = 3


@contextmanager
def told(client: "Client", console: "Console", text: str) -> Iterator[None]:
    """While the block runs, say who is not Ready: on a terminal in its last line, else a line for what is new."""
    if not console.is_terminal:
        with _looking(client, _lines(console)):
            yield
        return
    with console.status(text) as line, _looking(client, lambda status: line.update(summary(status) or text)):
        yield


def summary(status: Status) -> str:
    """`Waiting for 2 endpoints: iris (Preparing), moons (ReplicasNotReady)`; empty if all are Ready."""
    found = [f"{name} ({reason})" for name, (reason, _) in unready(status).items()]
    rest = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    noun = "endpoint" if len(found) == 1 else "endpoints"
    return f"Waiting for {len(found)} {noun}: {', '.join(found[:MOST_NAMED])}{rest}" if found else ""


def unready(status: Status) -> dict[str, tuple[str, str]]:
    """Reason and message of each endpoint that is not Ready, by its name."""
    found = {one.name: one.condition("Ready") for one in status.endpoints if not one.ready}
    return {name: (ready.reason, ready.message) if ready else ("Unknown", "") for name, ready in found.items()}


def _lines(console: "Console") -> Callable[[Status], None]:
    told: dict[str, str] = {}

    def show(status: Status) -> None:
        found = unready(status)
        for name, (reason, message) in found.items():
            if told.get(name) != reason:
                console.print(f"waiting for {name}: {reason}: {gist(message)}", soft_wrap=True)
        told.clear()
        told.update({name: reason for name, (reason, _) in found.items()})

    return show


@contextmanager
def _looking(client: "Client", show: Callable[[Status], None]) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=_look, args=(client, show, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _look(client: "Client", show: Callable[[Status], None], ended: threading.Event) -> None:
    pause = EVERY
    while not ended.wait(pause):
        begun = time.monotonic()
        try:
            status = client.status()
        except HeadgateError:
            continue
        pause = max(EVERY, 10 * (time.monotonic() - begun))
        if not ended.is_set():
            show(status)
