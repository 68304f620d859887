"""The comparison itself: it fails where a loader goes wrong."""

from collections.abc import Callable

import pytest

from tests.parity import headgate
from tests.parity.azure import Azure
from tests.parity.comparison import DisagreementError, examine
from tests.parity.deployment_cases import MANAGED
from tests.parity.headgate import Loaded, Refusal

pytestmark = pytest.mark.real

GOOD = headgate.load("deployment", MANAGED)


def _changed(path: str, value: object) -> Loaded:
    found = headgate.load("deployment", MANAGED)
    *parents, last = path.split(".")
    place = found.values
    for name in parents:
        place = place[name]
    place[last] = value
    return found


WRONG: list[tuple[str, Loaded, str]] = [
    (MANAGED, _changed("liveness_probe.period", 11), "liveness_probe.period: Azure None, Headgate 11"),
    (MANAGED, _changed("app_insights_enabled", 0), "app_insights_enabled: Azure False, Headgate 0"),
    (MANAGED, _changed("own", 1), "own: Azure None, Headgate 1"),
    (MANAGED + "tags: {a: 1}", GOOD, "tags: Azure"),
    (MANAGED, Loaded([Refusal("loader", "name", "no")]), "refused: Refusal"),
    (MANAGED + "x: 1", GOOD, "taken, and Azure says: ValidationError"),
]


@pytest.mark.parametrize(("text", "outcome", "words"), WRONG)
def test_what_is_wrong_is_said(
    azure: Azure, monkeypatch: pytest.MonkeyPatch, text: str, outcome: Loaded, words: str
) -> None:
    answer: Callable[[str, str], Loaded] = lambda _kind, _text: outcome  # noqa: E731 - typed
    monkeypatch.setattr(headgate, "load", answer)
    with pytest.raises(DisagreementError, match=words):
        examine(azure, "deployment", text)
