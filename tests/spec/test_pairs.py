"""Users' own keys and values as text, whatever YAML makes of them."""

import pytest

from spec.pairs import pairs


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"b": 1, "a": None}, (("a", ""), ("b", "1"))),
        ({2: "x", "b": True}, (("2", "x"), ("b", "True"))),
        ({"a": {"b": 1, 2: 3, None: [{4: 5, "c": 6}]}}, (("a", '{"": [{"4": 5, "c": 6}], "2": 3, "b": 1}'),)),
    ],
)
def test_keys_of_any_kind(facts: dict[object, object], text: tuple[tuple[str, str], ...]) -> None:
    assert pairs(facts) == text
