"""What a running Headgate answers out of its parts."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from console.live import LiveService
from console.service import LogQuery, MissingError
from reconciler.state import Known, Memory
from runtime.logs import Logs
from spec.release import Environment, InstanceType, Recipe, ReleaseRef, Server

BLUE = ReleaseRef("iris", "blue", "3f2a9c41d0e7")
RECIPE = Recipe(Server.MLFLOW, "process", Environment("inline"), InstanceType("small", 1, 2**30))


@pytest.fixture
def service(home: Path) -> LiveService:
    logs = Logs(home)
    path = logs.path(BLUE, "blue-3f2a9c-aaaaaa")
    path.parent.mkdir(parents=True)
    path.write_text("hello\n")
    memory = Memory("iris", releases=(Known(BLUE, RECIPE, 1),))
    known: dict[str, object] = dict.fromkeys(LiveService.__dataclass_fields__)
    return LiveService(**{**known, "reconciler": SimpleNamespace(memories={"iris": memory}), "logs_of": logs})


async def test_a_release_or_replica_without_log_is_said_with_those_that_have_one(service: LiveService) -> None:
    async def texts(query: LogQuery) -> list[str]:
        return [line.text async for line in service.logs(query)]

    assert await texts(LogQuery("iris", "blue", release="blue@3f2a9c4")) == ["hello"]
    with pytest.raises(MissingError, match="no log of blue@90d; it has: blue-3f2a9c-aaaaaa"):
        await texts(LogQuery("iris", "blue", release="blue@90d"))
    with pytest.raises(MissingError, match="no log of zzz"):
        await texts(LogQuery("iris", "blue", replica="zzz"))
    assert await texts(LogQuery("iris", "blue", container="storage-initializer")) == []
