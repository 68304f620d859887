"""Live progress: lines anywhere, and on a terminal a last line that says what is awaited."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from console.progress import Progress
from observability.events import Event, EventType

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
URL = "https://127.0.0.1:8443/endpoints/iris/score"


files: dict[Console, io.StringIO] = {}


def console(*, terminal: bool, file: io.StringIO | None = None) -> Console:
    file = file or io.StringIO()
    made = Console(file=file, force_terminal=terminal, width=80, markup=False, highlight=False)
    files[made] = file
    return made


def text(screen: Console) -> str:
    return files[screen].getvalue()


def test_each_event_is_a_plain_line_in_a_pipe() -> None:
    screen = console(terminal=False)
    with Progress(screen) as progress:
        progress.report(Event(NOW, "iris", "Preparing", "installing [34] packages"))
        progress.url_of = {"iris": URL}.__getitem__
        progress.report(Event(NOW, "iris", "EndpointReady", "blue 100%"))
        progress.report(Event(NOW, "", "EnvoyRestarted", "it died", EventType.WARNING))
    lines = text(screen).splitlines()
    assert len(lines) == 3
    assert "\x1b" not in text(screen)
    assert "Preparing  installing [34] packages" in lines[0]
    assert lines[1].endswith(f"EndpointReady  {URL}  blue 100%")
    assert lines[2].split()[2:4] == ["headgate", "EnvoyRestarted"]


def test_a_terminal_says_what_is_awaited() -> None:
    progress = Progress(console(terminal=True))
    progress.report(Event(NOW, "iris", "Preparing", ""))
    progress.report(Event(NOW, "wine", "ReplicaStarting", ""))
    assert progress.waiting_for().plain == "iris: Preparing  wine: ReplicaStarting"
    progress.report(Event(NOW, "iris", "EndpointReady", ""))
    progress.report(Event(NOW, "wine", "EndpointRemoved", ""))
    assert progress.waiting_for().plain == "waiting for commits"


def test_a_stopped_replica_or_a_note_of_the_host_is_not_awaited() -> None:
    progress = Progress(console(terminal=True))
    assert progress.waiting_for().plain == "starting"
    progress.report(Event(NOW, "", "CommitRead", "3f2a9c4 declares 2 endpoints"))
    for reason in ("SpecChanged", "ReplicaStopped", "KeyRotated", "CpuLimitAdvisory"):
        progress.report(Event(NOW, "iris", reason, "x"))
    assert progress.waiting_for().plain == "waiting for commits"


def test_a_note_of_the_host_is_told_once() -> None:
    screen = console(terminal=False)
    progress = Progress(screen)
    for endpoint in ("iris", "wine"):
        progress.report(Event(NOW, endpoint, "CpuLimitAdvisory", "deployment blue: 4 cores are advice"))
    assert text(screen).count("4 cores are advice") == 1


def test_the_same_failure_is_told_once_a_minute_on_one_line() -> None:
    screen = console(terminal=False)
    progress = Progress(screen)

    def fail(message: str, seconds: int) -> int:
        progress.report(Event(NOW + timedelta(seconds=seconds), "iris", "InitFailed", message, EventType.WARNING))
        return len(text(screen).splitlines())

    tail = (
        'It gave up. Its log ends with:\n  File "/r/azureml-app/score.py", line 2, in init\n    x()\nValueError: no\n'
    )
    assert fail(f"blue@90ded09: replica r1: {tail}", 0) == 1
    assert text(screen).rstrip().endswith("InitFailed  blue@90ded09: score.py:2 in init: ValueError: no")
    assert fail(f"deployment blue: replica r1: InitFailed: {tail}", 0) == 1
    assert fail(f"deployment blue: replica r1: {tail}", 59) == 1
    assert fail("blue@90ded09: replica r1: something else", 59) == 2
    assert fail(f"deployment blue: replica r1: {tail}", 61) == 3
    progress.report(Event(NOW, "iris", "EndpointReady", ""))
    assert fail(f"deployment blue: replica r1: {tail}", 62) == 5


def test_many_awaited_endpoints_stay_on_one_line() -> None:
    progress = Progress(console(terminal=True))
    for number in range(9):
        progress.report(Event(NOW, f"endpoint-{number}", "Preparing", ""))
    assert progress.waiting_for().plain.endswith("and 5 more")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_closed_terminal_ends_nothing(*, terminal: bool) -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    with Progress(console(terminal=terminal, file=Closed())) as progress:
        progress.report(Event(NOW, "iris", "EndpointReady", "blue 100%"))
        progress.say("still here")


def test_an_ascii_terminal_gets_ascii() -> None:
    raw = io.BytesIO()
    screen = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=80)
    with Progress(screen) as progress:
        progress.report(Event(NOW, "iris", "EndpointReady", "done"))
    screen.file.flush()
    assert b" * iris" in raw.getvalue()
