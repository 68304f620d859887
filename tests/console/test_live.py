"""What a running Headgate answers out of its parts."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from console.live import LiveService
from console.rollouts import RolloutShape
from console.service import EventQuery, LogQuery, MissingError
from console.views import Address
from observability.events import Event
from reconciler.state import Known, Memory
from reconciler.store import Store
from router.table import EndpointRoute, KeyAuth
from router.tls import ServerCertificate
from runtime.logs import Logs
from spec.errors import TransientError
from spec.release import Environment, InstanceType, Recipe, ReleaseRef, Server

BLUE = ReleaseRef("iris", "blue", "3f2a9c41d0e7")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
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


@pytest.fixture
async def remembered(service: LiveService, home: Path) -> AsyncIterator[LiveService]:
    """Events of `gone`, which was removed, and none of `iris`, which is there."""
    store = Store(f"sqlite:///{home / 'memory.db'}")
    store.migrate()
    removed = [Event(NOW, "gone", reason, f"{reason} by a commit") for reason in ("EndpointRemoved", "Removed")]
    store.save("gone", None, removed)

    async def in_store(work: Callable[..., object], *arguments: object) -> object:
        return work(*arguments)

    parts = {"store": store, "in_store": in_store, "listen": lambda _: lambda: None}
    service.reconciler.__dict__.update(parts)
    yield service
    store.close()


async def test_the_events_of_a_removed_endpoint_are_shown(remembered: LiveService) -> None:
    async def reasons(name: str, limit: int = 9) -> list[str]:
        return [event.reason async for event in remembered.events(EventQuery(name, limit))]

    assert await reasons("gone") == ["EndpointRemoved", "Removed"]
    assert await reasons("gone", 1) == ["Removed"]
    assert (await reasons("gone", 0), await reasons("iris")) == ([], [])
    with pytest.raises(MissingError, match="there is no endpoint never; there is: iris"):
        await reasons("never")


async def test_a_release_or_replica_without_log_is_said_with_those_that_have_one(service: LiveService) -> None:
    async def texts(query: LogQuery) -> list[str]:
        return [line.text async for line in service.logs(query)]

    assert await texts(LogQuery("iris", "blue", release="blue@3f2a9c4")) == ["hello"]
    with pytest.raises(MissingError, match="no log of blue@90d; it has: blue-3f2a9c-aaaaaa"):
        await texts(LogQuery("iris", "blue", release="blue@90d"))
    with pytest.raises(MissingError, match="no log of zzz"):
        await texts(LogQuery("iris", "blue", replica="zzz"))
    assert await texts(LogQuery("iris", "blue", container="storage-initializer")) == []


@pytest.mark.parametrize(
    ("ca", "trusted"), [(Path("/srv/tls/ca.pem"), ("/srv/tls/ca.pem", None)), (None, (None, "PEM"))]
)
async def test_a_caller_learns_the_ca_or_the_certificate_that_the_operator_gave(
    service: LiveService, ca: Path | None, trusted: tuple[str | None, str | None]
) -> None:
    shown: list[ServerCertificate] = []
    memories = {"iris": Memory("iris")}
    found = replace(
        service,
        reconciler=SimpleNamespace(memories=memories, want=lambda _: SimpleNamespace(auth=KeyAuth("a", "b"))),
        address=Address("https", "127.0.0.1", 8443, None, "127.0.0.1"),
        certificate=lambda: shown[-1],
    )
    # Read anew each time: the operator may exchange the files.
    shown += [ServerCertificate(pem, "key", ca, datetime.now(UTC)) for pem in ("OLD", "PEM")]
    access = await found.access("iris")
    assert (access.ca_certificate, access.certificate) == trusted


async def test_answers_to_mirrored_requests_are_shown_while_there_is_a_mirror(service: LiveService) -> None:
    async def mirrored(name: str) -> dict[str, dict[str, int]]:
        return {"green@1": {"200": 40, "424": 2}} if name == "iris" else {}

    service.mirrored = mirrored
    memory = service.reconciler.memories["iris"]
    status = RolloutShape(endpoint="iris", state="settled")
    assert (await service._with_mirrored(status)).mirrored == ()  # noqa: SLF001
    route = EndpointRoute("iris", KeyAuth("a", "b"), mirror=("green@1", 5000))
    service.reconciler.memories["iris"] = replace(memory, route=route)
    (found,) = (await service._with_mirrored(status)).mirrored  # noqa: SLF001
    assert (found.release, found.answers, found.failed, found.codes) == ("green@1", 42, 2, {"200": 40, "424": 2})

    async def away(name: str) -> dict[str, dict[str, int]]:
        raise TransientError(f"Envoy says nothing of {name}")

    service.mirrored = away
    (found,) = (await service._with_mirrored(status)).mirrored  # noqa: SLF001
    assert (found.answers, found.failed) == (0, 0)
