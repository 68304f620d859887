"""The written pages name what the code knows: reasons, log columns, curated environments, settings, links."""

import ast
import re
from pathlib import Path

import pytest

from router.access_log import COLUMNS
from spec import curated
from spec.settings import SettingsFile

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WORD = re.compile(r"(?:[A-Z][a-z]+){2,}|OOMKilled")
NOT_REASONS = {"ModelType"}


def reasons() -> set[str]:
    """Every CamelCase text of two words or more in the rooms that give reasons, but for names of types."""
    found: set[str] = set()
    types: set[str] = set()
    for room in ("reconciler", "runtime", "spec/resolution"):
        for file in (ROOT / room).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    types.add(node.name)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value):
                    found.add(node.value)
    return found - types


def test_every_reason_is_explained() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    known = reasons()
    assert {"InvalidSpec", "EnvironmentBuildFailed", "AwaitingReplicas", "BaseImageNotUsed", "OOMKilled"} <= known
    assert [reason for reason in sorted(known - NOT_REASONS) if f"`{reason}`" not in text] == []


def test_every_column_of_the_access_log_is_named() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    assert ", ".join(f"`{column.name}`" for column in COLUMNS) in " ".join(text.split())


def test_every_curated_environment_and_setting_is_named() -> None:
    text = (DOCS / "repository.md").read_text(encoding="utf-8")
    assert [name for name in curated.names() if f"`{name}`" not in text] == []
    example = re.search(r"```yaml\nkind: settings\n(.*?)```", text, re.DOTALL)
    assert example is not None
    assert {"kind", *re.findall(r"^(\w+):", example[1], re.MULTILINE)} == SettingsFile.model_fields.keys()


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
