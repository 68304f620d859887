"""A database that is gone is said before the start and at the start."""

import pytest
from installation import Installation


@pytest.mark.real
def test_lost_memory_is_said(headgate: Installation) -> None:
    headgate.up()
    assert "MemoryLost" not in headgate.cli("events").stdout
    assert headgate.terminate() == 0
    for path in headgate.state.glob("memory.db*"):
        path.unlink()
    assert "memory.db is gone" in headgate.cli("doctor", check=False).stdout.replace("\n", " ")
    headgate.up()
    event = next(found for found in headgate.json("events")["events"] if found["reason"] == "MemoryLost")
    assert "every endpoint gets new keys" in event["message"]
