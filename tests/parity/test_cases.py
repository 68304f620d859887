"""Files written by hand: both loaders agree on each, but for what its row says."""

import pytest

from tests.parity import headgate
from tests.parity.asset_cases import ENVIRONMENTS, MODELS
from tests.parity.azure import Azure
from tests.parity.case import Case
from tests.parity.comparison import examine
from tests.parity.deployment_cases import DEPLOYMENTS
from tests.parity.differences import DIFFERENCES
from tests.parity.endpoint_cases import ENDPOINTS

pytestmark = pytest.mark.real

ALL_DEPLOYMENTS = (*DEPLOYMENTS, *MODELS, *ENVIRONMENTS)


def _check(azure: Azure, kind: str, case: Case) -> None:
    shown = examine(azure, kind, case.text)
    assert shown == case.shows | (shown & {"defaults"})  # nearly every file leaves something out
    is_taken = azure.load(kind, case.text).accepted or headgate.load(kind, case.text).accepted
    assert is_taken == case.is_good


@pytest.mark.parametrize("case", ENDPOINTS, ids=str)
def test_endpoints(azure: Azure, case: Case) -> None:
    _check(azure, "endpoint", case)


@pytest.mark.parametrize("case", ALL_DEPLOYMENTS, ids=str)
def test_deployments(azure: Azure, case: Case) -> None:
    _check(azure, "deployment", case)


def test_every_documented_difference_has_an_example() -> None:
    shown = {name for case in (*ENDPOINTS, *ALL_DEPLOYMENTS) for name in case.shows}
    assert shown == {difference.name for difference in DIFFERENCES}


def test_azure_is_the_version_that_is_documented(azure: Azure) -> None:
    assert azure.version == "1.35.2"
