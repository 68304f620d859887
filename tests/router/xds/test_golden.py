"""Route tables in, Envoy resources out; `--rewrite` writes the files in `golden/`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from router import names
from router.access_log import loggers
from router.clusters import assignment, cluster
from router.filters import tokens
from router.listener import certificate, listener
from router.messages import pack
from router.routes import scopes
from router.settings import RouterSettings
from router.shield import shield_cluster, shields
from router.table import Backend, EndpointRoute, Host, KeyAuth, Stickiness, TokenAuth

GOLDEN = Path(__file__).parent / "golden"
BLUE = Backend("blue@3f2a9c41d0e7", "blue", (Host("127.0.0.1", 8001), Host("127.0.0.1", 8002, draining=True)))
NEXT = Backend("blue@9b1c55e2a704", "blue", (Host("10.0.0.7", 5001),), timeout_ms=180_000, max_concurrent=4)
GREEN = Backend("green@77aa01bb23cc", "green", (), paths=("/v1/predict", "/openapi.json", "/v1"))
KEYS = KeyAuth("primary", "secondary")
PINNED = (("blue", BLUE.release), ("green", GREEN.release))
SIMPLE = EndpointRoute("iris", KEYS, (BLUE,), ((BLUE.release, 10_000),), (("blue", BLUE.release),))
MOVING = EndpointRoute(
    "iris", KEYS, (BLUE, NEXT, GREEN), ((BLUE.release, 8999), (NEXT.release, 1001)), PINNED, (GREEN.release, 10)
)
ROUTES = {
    "simple": SIMPLE,
    "moving": MOVING,
    "paths": EndpointRoute("iris", KEYS, (BLUE, GREEN), ((BLUE.release, 2500), (GREEN.release, 7500)), PINNED),
    "token": replace(SIMPLE, auth=TokenAuth("iris")),
    "trial": replace(MOVING, trial=(NEXT.release,)),
    "shield": replace(MOVING, trial=(NEXT.release,), shield=BLUE.release),
    "sticky-cookie": replace(MOVING, sticky=Stickiness("hg-iris", settled=((BLUE.release, 10_000),))),
    "sticky-header": replace(SIMPLE, sticky=Stickiness(header="x-user", settled=((BLUE.release, 10_000),))),
    "preview": replace(MOVING, preview=(NEXT.release, (("x-tester", "yes"), ("x-site", "b")))),
    "empty": EndpointRoute("iris", KEYS),
    "bypass-only": replace(SIMPLE, split=()),
}
SETTINGS = RouterSettings("demo", Path("envoy"), Path("run"), 8443)


def described(route: EndpointRoute, *, by_host: bool) -> list[tuple[str, dict[str, Any]]]:
    return [(names.SCOPE, each) for each in scopes(route, by_host=by_host, max_request_bytes=1000).values()]


def resources() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    for name, route in ROUTES.items():
        yield f"scope-{name}", described(route, by_host=False)
    yield "scope-by-host", described(MOVING, by_host=True)
    for backend in (BLUE, NEXT, GREEN):
        name = names.cluster_name("iris", backend.release)
        both = [(names.CLUSTER, cluster(name, backend)), (names.ASSIGNMENT, assignment(name, backend))]
        yield f"cluster-{backend.release}", both
    covers = [
        shield_cluster(name, members, SETTINGS.max_request_bytes) for name, members in shields(ROUTES["shield"])
    ]
    yield "cluster-shield", [(names.CLUSTER, fields) for fields in covers]
    logs = loggers(Path("traffic.log"), stats=True)
    yield "listener-tls", [(names.LISTENER, listener(SETTINGS, logs))]
    plain = replace(SETTINGS, plain_http=True, domain="models.example.com")
    yield "listener-plain-domain", [(names.LISTENER, listener(plain))]
    yield "secret", [(names.SECRET, certificate("CHAIN", "KEY"))]
    yield "tokens", [(names.EXTENSION, tokens('{"keys": []}', "headgate", ["iris", "moons"]))]
    yield "tokens-none", [(names.EXTENSION, tokens("", "", ["iris"]))]


CASES = dict(resources())


@pytest.mark.parametrize("case", CASES)
def test_resources(case: str, request: pytest.FixtureRequest) -> None:
    for type_url, fields in CASES[case]:
        pack({"@type": type_url} | fields)
    text = yaml.dump_all((fields for _, fields in CASES[case]), Dumper=Plain, sort_keys=False, width=118)
    path = GOLDEN / f"{case}.yaml"
    if request.config.getoption("--rewrite", default=False):
        path.write_text(text)
    assert path.read_text() == text


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(CASES)


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_no_name_holds_anything_a_client_sent(route: EndpointRoute) -> None:
    for scope in scopes(route, by_host=True, max_request_bytes=1000).values():
        for rule in scope["route_configuration"]["virtual_hosts"][0]["routes"]:
            action = rule.get("route", {})
            assert not {"cluster_header", "cluster_specifier_plugin"} & action.keys()


class Plain(yaml.SafeDumper):
    """Writes what is shared twice, and long texts as they are."""

    def ignore_aliases(self, _: object) -> bool:
        return True


Plain.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
