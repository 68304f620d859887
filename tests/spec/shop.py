"""Deployments of the endpoint `shop`, in parts, and what came of them."""

from collections.abc import Callable

from spec.catalog import DeploymentSpec
from spec.loader import Loaded

Build = Callable[..., Loaded]
HEAD = "name: blue\nendpoint_name: shop\ninstance_type: Standard_DS3_v2\n"
CODE = "code_configuration: {code: code, scoring_script: score.py}\n"
MODEL = "model: {path: model/model.pkl}\n"
ENVIRONMENT = "environment: {conda_file: conda.yml}\n"


def blue(loaded: Loaded) -> DeploymentSpec:
    assert loaded.catalog.problems == ()
    found = loaded.catalog.endpoints["shop"].deployment("blue")
    assert found is not None
    return found


def problem(loaded: Loaded) -> str:
    assert "shop" not in loaded.catalog.endpoints
    (found,) = loaded.catalog.broken["shop"]
    return f"{found} found={found.found}"
