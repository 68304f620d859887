"""Live progress of `up` and `demo`: a line per event, and on a terminal a last line that says what is awaited."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import IO, Self, cast

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from console.gist import cause, gist
from console.plain import plain
from console.screen import entry, out
from observability.events import Event, EventType

QUIET = frozenset({"Preparing"})
"""Reasons that come often: on a terminal they only change the last line."""
DONE = frozenset({"EndpointReady", "EndpointRemoved"})
HOST_NOTES = frozenset({"CpuLimitAdvisory", "InstanceTypeExceedsHost", "BaseImageNotUsed"})
"""Notes that are the same for every endpoint: told once, and those of the host as the installation's."""
PASSING = frozenset({"SpecChanged", "TrafficSettled", "ReplicaStopping", "ReplicaStopped", "KeyRotated"})
"""Reasons after which nothing need follow: they make nobody awaited."""
IDLE = {"SourceUnreadable": "the repository cannot be read", "CommitRead": "waiting for commits"}
"""What the last line says while nothing is awaited, after such an event."""
AGAIN_AFTER = timedelta(minutes=1)
"""How long the same failure of the same endpoint is not told again."""
MAX_AWAITED = 4


class _Patient(io.TextIOBase):
    """A stream whose other side may have gone: what is written then is lost, and nothing is raised."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's own."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it was a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's own."""
        return self._stream.fileno()

    def write(self, text: str, /) -> int:
        """Write if somebody still reads."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush if somebody still reads."""
        with contextlib.suppress(OSError):
            self._stream.flush()


class Progress:
    """Renders events until it is closed; it never raises, for a closed terminal must not end Headgate."""

    def __init__(self, console: Console | None = None) -> None:
        self.url_of: Callable[[str], str] = lambda _: ""
        """Tells an endpoint's scoring URI; whoever knows the address sets it."""
        self._console = console or out()
        self._console.file = cast("IO[str]", _Patient(self._console.file))
        self._awaited: dict[str, str] = {}
        self._idle = "starting"
        self._noted: set[tuple[str, str]] = set()
        self._failed: dict[tuple[str, str], datetime] = {}
        self._spinner = Spinner("dots", "")
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(self._spinner, console=self._console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.rest()

    def report(self, event: Event) -> None:
        """Show one event."""
        event = replace(event, message=plain(event.message))
        self._await(event)
        if self._live is not None and event.reason in QUIET:
            return
        if (told := self._fresh(event)) is not None:
            entry(self._console, *line(told, self._console, self.url_of))

    def rest(self) -> None:
        """Take the last line away: nothing is awaited any more."""
        if self._live:
            self._live.stop()

    def say(self, text: str, style: str | None = None) -> None:
        """Print text above the last line."""
        self._console.print(Text(plain(text)), style=style, soft_wrap=True)

    def rename(self, idle: str) -> None:
        """Say this on the last line while no endpoint is awaited."""
        self._idle = idle
        self._spinner.update(text=self.waiting_for())

    def _fresh(self, event: Event) -> Event | None:
        """The event as it is told; None if the same was told before (a failure: within a minute)."""
        if event.reason in HOST_NOTES:
            note = (event.reason, event.message.partition(": ")[2])
            known = note in self._noted
            self._noted.add(note)
            told = event if event.reason == "BaseImageNotUsed" else replace(event, endpoint="", message=note[1])
            return None if known else told
        if event.type is EventType.WARNING and event.endpoint:
            failure = (event.endpoint, cause(event.message))
            last = self._failed.get(failure)
            if last is not None and event.at - last < AGAIN_AFTER:
                return None
            self._failed[failure] = event.at
        return replace(event, message=gist(event.message))

    def _await(self, event: Event) -> None:
        if event.reason in DONE:
            self._awaited.pop(event.endpoint, None)
            self._forgive(event.endpoint)
            self._idle = "waiting for commits"
        elif event.endpoint in self._awaited or (event.endpoint and event.reason not in PASSING | HOST_NOTES):
            self._awaited[event.endpoint] = event.reason
        self.rename(IDLE.get(event.reason, self._idle))

    def _forgive(self, endpoint: str) -> None:
        """What fails after success is news."""
        self._failed = {failure: at for failure, at in self._failed.items() if failure[0] != endpoint}

    def waiting_for(self) -> Text:
        """What the last line says."""
        named = [f"{endpoint}: {word}" for endpoint, word in list(self._awaited.items())[:MAX_AWAITED]]
        more = len(self._awaited) - len(named)
        text = "  ".join([*named, *([f"and {more} more"] if more > 0 else [])])
        return Text(text or self._idle, "dim", no_wrap=True, overflow="ellipsis")


def line(event: Event, console: Console, url_of: Callable[[str], str]) -> tuple[Text, Text]:
    """The time and a mark, and then whose, what, and the details; with its URL where an endpoint became Ready."""
    mark, style = _mark(event)
    if not console.encoding.lower().startswith("utf"):
        mark = {"✓": "*", "·": " "}.get(mark, mark)
    ready = event.reason == "EndpointReady"
    details = "  ".join(filter(None, (url_of(event.endpoint) if ready else "", event.message)))
    whose = (f"{event.endpoint or 'headgate':<16} ", "bold")
    head = Text.assemble((f"{_local(event.at):%H:%M:%S}", "dim"), " ", (mark, style), " ")
    return head, Text.assemble(whose, (event.reason, style), f"  {details}")


def _mark(event: Event) -> tuple[str, str]:
    if event.type is EventType.WARNING:
        return "!", "yellow"
    return ("✓", "green") if event.reason in DONE else ("·", "cyan")


def _local(moment: datetime) -> datetime:
    return moment.astimezone()
