"""Makes the small world importable for every test of this room, and the rig that several need."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from rig import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator["Rig"]:
    from rig import Rig

    found = Rig(tmp_path)
    yield found
    await found.kill()
