"""Every script below `scripts/` still ends as it says; `pytest --rewrite` writes them anew."""

import re
from pathlib import Path

import pytest
from script import run

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path, request: pytest.FixtureRequest) -> None:
    before = path.read_text(encoding="utf-8")
    after = run(before)
    if request.config.getoption("--rewrite"):
        path.write_text(after, encoding="utf-8")
        return
    assert after == before


def test_the_page_names_scripts_that_exist() -> None:
    page = Path(__file__).parents[2] / "docs" / "rollouts.md"
    table = page.read_text(encoding="utf-8").partition("### What was tried")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z-]+)`", table.partition("|---|---|")[2]))
    assert len(named) > 30
    assert named <= {path.stem for path in SCRIPTS}


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 10
