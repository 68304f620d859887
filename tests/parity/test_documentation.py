"""docs/differences.md is what the code says: `python -m tests.parity.differences > docs/differences.md` makes it."""

from pathlib import Path

from tests.parity import leniency, refusals
from tests.parity.differences import DIFFERENCES, HEADGATE, SERVICE, TAKEN, render

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"


def test_the_page_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render()


def test_every_name_is_there_once_and_every_rule_has_one() -> None:
    names = [difference.name for difference in DIFFERENCES]
    assert len(set(names)) == len(names)
    rules = {rule.name for rule in refusals.RULES}
    assert rules == {one.name for one in (*SERVICE, *HEADGATE)}
    mended = {one.name for one in TAKEN}
    assert mended == leniency.NAMES
