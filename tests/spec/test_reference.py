"""docs/spec.md is what the models say: `python -m spec.reference > docs/spec.md` makes it anew."""

from pathlib import Path

from spec.reference import render

DOCUMENT = Path(__file__).parents[2] / "docs" / "spec.md"


def test_the_reference_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render()
