"""The diagram in docs/architecture.md is what the code does: `python -m reconciler.diagram` prints it anew."""

import re
from pathlib import Path

from reconciler.diagram import render
from reconciler.state import Phase

DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_diagram_is_up_to_date() -> None:
    found = re.search(r"```mermaid\n(stateDiagram.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found[1] == render()


def test_every_phase_is_entered_and_left() -> None:
    edges = re.findall(r"^    (\S+) --> (\S+):", render(), re.MULTILINE)
    kinds = {phase.__dataclass_fields__["kind"].default for phase in Phase.__args__}
    for kind in kinds:
        assert any(source != kind and target == kind for source, target in edges), kind
        assert any(source == kind and target != kind for source, target in edges), kind


def test_an_endpoint_begins_and_ends_outside() -> None:
    edges = re.findall(r"^    (\S+) --> (\S+):", render(), re.MULTILINE)
    assert ("[*]", "settled") in edges
    assert ("removing", "[*]") in edges
