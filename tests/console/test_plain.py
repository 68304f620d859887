"""Nothing from outside acts on a terminal."""

import io
import logging
from datetime import UTC, datetime

import pytest
from rich.console import Console

from console.plain import PlainFormatter, plain
from console.progress import Progress
from console.shapes import Condition, EventShape, LogLine
from observability.events import Event

EVIL = "\x1b[31mevil\x1b]0;PWNED\x07\x9b2J\r\u202etxt"
HARMLESS = "\\x1b[31mevil\\x1b]0;PWNED\\x07\\x9b2J\\r\\u202etxt"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(EVIL, HARMLESS), ("two\n\tlines", "two\n\tlines"), ("Größe ✓ 模型", "Größe ✓ 模型"), ("", "")],
)
def test_what_acts_is_escaped_and_nothing_else(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_answers_are_harmless_and_logs_as_they_are() -> None:
    assert Condition(type="Ready", status="True", reason="R", message=EVIL).message == HARMLESS
    event = EventShape.of(Event(datetime(2030, 1, 1, tzinfo=UTC), "iris", "R", "", because={"Why": EVIL}))
    assert event.because == {"Why": HARMLESS}
    assert LogLine(replica="r", text=EVIL).text == EVIL


@pytest.mark.parametrize("terminal", [True, False])
def test_events_and_warnings_on_the_screen(*, terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=200, color_system=None)
    progress = Progress(console)
    event = Event(datetime(2030, 1, 1, tzinfo=UTC), "iris", "SpecChanged", EVIL)
    progress.report(event)
    progress.say(EVIL)
    text = file.getvalue()
    assert text.count("PWNED") == 2
    assert "\x1b[31m" not in text
    assert "\x1b]" not in text


def test_the_log_file() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "said %s", (EVIL,), None)
    assert PlainFormatter("%(message)s").format(record) == f"said {HARMLESS}"
