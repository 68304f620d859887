"""Options of the whole suite."""

import os

import pytest
from hypothesis import settings

from runtime.uv import trust

# Environments that tests build trust whom Headgate's own trust: the system's certificates, unless told otherwise.
os.environ.update(trust(os.environ))
# The same examples every time, so that a red run is red for its change; HYPOTHESIS_PROFILE=search looks for more.
settings.register_profile("steady", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Golden files and interaction scripts can be written anew; read the difference before committing it."""
    parser.addoption("--rewrite", action="store_true", help="write golden files and scripts instead of comparing")
