"""Real installations for tests; each ends all that it started."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from installation import Installation


@pytest.fixture
def headgate() -> Iterator[Installation]:
    found = Installation()
    yield found
    found.close()
