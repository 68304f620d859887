"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Golden files and interaction scripts can be written anew; read the difference before committing it."""
    parser.addoption("--rewrite", action="store_true", help="write golden files and scripts instead of comparing")
