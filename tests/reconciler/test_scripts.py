"""Every script below `scripts/` still ends as it says; `pytest --rewrite` writes them anew."""

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


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 10
