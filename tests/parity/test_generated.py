"""Generated files: good ones load to the same, and ones that something was done to meet the same verdict.

`HEADGATE_PARITY_EXAMPLES=20000 pytest tests/parity/test_generated.py --timeout 0` searches longer, anew each time,
and reduces what it finds.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.parity import headgate
from tests.parity.azure import Azure
from tests.parity.comparison import examine
from tests.parity.differences import VALUES
from tests.parity.strategies import DEPLOYMENTS, ENDPOINTS, changed, dumped

EXAMPLES = int(os.environ.get("HEADGATE_PARITY_EXAMPLES", "0"))
SEARCH = settings(
    max_examples=EXAMPLES or 300,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
LOADED_OTHERWISE = {"kubernetes-registry", *(difference.name for difference in VALUES)}
"""What good files may show."""

pytestmark = pytest.mark.real


def _check(azure: Azure, kind: str, text: str) -> None:
    assert examine(azure, kind, text) <= LOADED_OTHERWISE
    assert headgate.load(kind, text).accepted


@SEARCH
@given(text=dumped(ENDPOINTS))
def test_good_endpoints_load_to_the_same(azure: Azure, text: str) -> None:
    _check(azure, "endpoint", text)


@SEARCH
@given(text=dumped(DEPLOYMENTS))
def test_good_deployments_load_to_the_same(azure: Azure, text: str) -> None:
    _check(azure, "deployment", text)


@SEARCH
@given(text=dumped(changed(ENDPOINTS)))
def test_changed_endpoints_meet_the_same_verdict(azure: Azure, text: str) -> None:
    examine(azure, "endpoint", text)


@SEARCH
@given(text=dumped(changed(DEPLOYMENTS)))
def test_changed_deployments_meet_the_same_verdict(azure: Azure, text: str) -> None:
    examine(azure, "deployment", text)
