"""docs/cli.md says what the command line is; run this file as a script to write its table of settings."""

import re
import sys
from pathlib import Path

from console.cli import app, keys
from console.exits import Exit
from console.options import SETTINGS
from console.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
TABLE = re.compile(r"(?<=<!-- settings -->\n).*(?=<!-- /settings -->)", re.DOTALL)


def default(name: str) -> str:
    field = Settings.model_fields[name]
    value = "`$XDG_STATE_HOME/headgate` (`~/.local/state/headgate`)" if field.default_factory else field.default
    match value:
        case None | "":
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def table() -> str:
    head = ["| Flag | Variable | Key | Default | |", "|---|---|---|---|---|"]
    rows = [
        f"| `{'REPO' if s.name == 'repo' else s.flag}` | `{s.variable}` | `{s.name}` | {default(s.name)} | {s.help} |"
        for s in SETTINGS
    ]
    return "\n".join([*head, *rows]) + "\n"


def test_the_table_of_settings_is_complete() -> None:
    found = TABLE.search(PAGE.read_text())
    assert found
    assert found[0] == table(), f"run: python {Path(__file__).relative_to(PAGE.parents[1])}"


def test_every_command_is_described() -> None:
    page = PAGE.read_text()
    names = [command.name for command in app.registered_commands] + [
        f"keys {c.name}" for c in keys.registered_commands
    ]
    assert [name for name in names if f"`{name}" not in page] == []


def test_every_exit_code_is_described() -> None:
    page = PAGE.read_text()
    assert [code.value for code in Exit if f"\n| {code.value} |" not in page] == []


REASON = re.compile(r'"((?:[A-Z][a-z]+){2,}|Preparing|Prepared)"')
TELLERS = ("reconciler/narration.py", "reconciler/loop.py", "console/news.py", "console/live.py")


def test_every_reason_of_an_event_is_described() -> None:
    root = PAGE.parents[1]
    told = {reason for file in TELLERS for reason in REASON.findall((root / file).read_text())}
    page = (root / "docs" / "operations.md").read_text()
    assert len(told) > 15
    assert sorted(reason for reason in told if f"`{reason}`" not in page) == []


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda _: table(), PAGE.read_text()))
    sys.stdout.write(f"wrote {PAGE}\n")
