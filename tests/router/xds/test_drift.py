"""Routes that somebody else changed in a running Envoy are noticed and put right; others are left alone."""

import time
from dataclasses import replace
from typing import Any

import pytest

from router import names
from router.admin import Admin
from router.drift import REDACTED, Comparison, content, equal
from router.resources import encode
from router.routes import scopes
from router.sequence import Push
from router.table import EndpointRoute, TokenAuth
from tests.router.xds.rig import Rig, StartRig, backend, endpoint, until
from tests.router.xds.test_golden import ROUTES, SIMPLE

SCORE = "/endpoints/iris/score"


def pushed(rig: Rig, name: str, fields: dict[str, Any]) -> None:
    """Give Envoy a scope behind Headgate's back."""
    session = rig.router._plane._sessions[0]  # noqa: SLF001 - no other hand reaches a running Envoy
    session.outbox.put_nowait(Push(names.SCOPE, f"hand-{time.monotonic()}", (encode(names.SCOPE, name, fields),)))


def named(case: str, route: EndpointRoute) -> EndpointRoute:
    auth = TokenAuth(f"iris-{case}") if isinstance(route.auth, TokenAuth) else route.auth
    return replace(route, endpoint=f"iris-{case}", auth=auth)


async def shows(rig: Rig, name: str, text: str) -> bool:
    found = (await rig.router.admin.shown([name])).scopes
    return text in str(found.get(name))


@pytest.mark.real
async def test_every_kind_of_route_is_shown_as_it_was_pushed(start_rig: StartRig) -> None:
    rig = await start_rig(domain="models.example.org")
    for case, route in ROUTES.items():
        rig.router.put(named(case, route))
    await until(rig.settled)
    sent = replace(rig.router.sent)
    assert await rig.router.verify() == frozenset()
    assert await rig.router.verify() == frozenset()
    assert rig.router.sent == sent
    assert len((await rig.router.admin.shown()).scopes) == 2 * len(ROUTES)


@pytest.mark.real
async def test_a_route_that_was_edited_by_hand_is_put_right(rig: Rig) -> None:
    blue, other = await rig.server("blue"), await rig.server("other")
    for name in ("iris", "moons"):
        await rig.put(endpoint(name, (backend("blue@1", blue),)))
    await rig.put(endpoint("other", (backend("blue@1", other),)))
    client = rig.client()
    route = rig.router._desired.entries["iris"].route  # noqa: SLF001
    assert route is not None
    for _ in range(2):
        fields = scopes(route, by_host=False, max_request_bytes=1000)["iris"]
        for rule in fields["route_configuration"]["virtual_hosts"][0]["routes"]:
            rule["route"] = {**rule.get("route", {}), "cluster": "other/blue@1"}
        pushed(rig, "iris", fields)
        while not await shows(rig, "iris", "other/blue@1"):
            pass
        assert (await client.send(SCORE)).replica == "other"
        assert await rig.router.verify() == {"iris"}
        while await shows(rig, "iris", "other/blue@1"):
            pass
        assert (await client.send(SCORE)).replica == "blue"
        assert await rig.router.verify() == frozenset()


@pytest.mark.real
async def test_a_change_while_envoy_is_asked_is_no_drift(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await rig.server("blue")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    shown = Admin.shown

    async def late(admin: Admin, endpoints: tuple[str, ...] = ()) -> Any:  # noqa: ANN401
        found = await shown(admin, endpoints)
        await rig.put(endpoint("iris", (backend("blue@1", server), backend("green@1", server)), {"green@1": 10_000}))
        return found

    monkeypatch.setattr(Admin, "shown", late)
    sent = rig.router.sent.responses
    await rig.router.verify()
    pushes = rig.router.sent.responses - sent
    monkeypatch.undo()
    assert await rig.router.verify() == frozenset()
    assert rig.router.sent.responses - sent == pushes


@pytest.mark.parametrize(
    ("shown", "wanted", "same"),
    [
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "x"}]}, True),
        ({"key": REDACTED}, {"key": "secret"}, True),
        ({"key": "secret"}, {"key": REDACTED}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": REDACTED}, {"a": ["secret"]}, False),
        ({"weight": 10}, {"weight": 90}, False),
    ],
)
def test_equal(shown: object, wanted: object, same: object) -> None:
    assert equal(shown, wanted) is same


def test_a_difference_that_pushing_did_not_mend_is_told_once() -> None:
    scope = encode(names.SCOPE, "iris", scopes(SIMPLE, by_host=False, max_request_bytes=1000)["iris"])
    good, bad, comparison = content(scope), {"name": "iris"}, Comparison()
    told = [comparison.differing({"iris": shown}, {"iris": scope}) for shown in (good, bad, bad, good, bad)]
    assert told == [[], ["iris"], [], [], ["iris"]]
