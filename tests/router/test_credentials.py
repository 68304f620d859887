"""Keys: Azure's shape, rotation, and that they show nowhere."""

import json
import logging
import re

import pytest

from router.credentials import Keys, KeyType, dump, load, new_keys, redact, rotate
from spec.errors import StalledError


def test_new_keys_are_long_distinct_and_fit_for_a_header() -> None:
    keys = [new_keys() for _ in range(50)]
    texts = {key for pair in keys for key in (pair.primary, pair.secondary)}
    assert len(texts) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{64}", text) for text in texts)


@pytest.mark.parametrize("which", KeyType)
def test_rotation_makes_one_key_anew_and_leaves_the_other(which: KeyType) -> None:
    before = new_keys()
    after = rotate(before, which)
    assert (after.primary == before.primary) is (which is KeyType.SECONDARY)
    assert (after.secondary == before.secondary) is (which is KeyType.PRIMARY)


def test_randomness_comes_from_outside() -> None:
    assert new_keys(bytes) == Keys("A" * 64, "A" * 64)


def test_azure_names_and_storage() -> None:
    keys = new_keys()
    assert keys.as_json() == {"primaryKey": keys.primary, "secondaryKey": keys.secondary}
    assert load(dump(keys)) == keys


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"primaryKey": "SECRET"}', '{"primaryKey": "", "secondaryKey": "SECRET"}']
)
def test_what_cannot_be_read_is_said_without_showing_it(text: str) -> None:
    with pytest.raises(StalledError, match="cannot be read") as caught:
        load(text)
    assert "SECRET" not in repr(caught.value)
    assert caught.value.__context__ is None


def test_keys_show_in_no_repr_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    keys = new_keys()
    logging.getLogger("test").warning("%s %r", keys, {"keys": keys})
    shown = f"{keys} {keys!r} {caplog.text}"
    assert keys.primary not in shown
    assert keys.secondary not in shown
    assert json.loads(dump(keys))["primaryKey"] == keys.primary


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            'goo.gle/debugstr  \ncredentials {\n  key: "SECRET"\n}\n: Proto constraint validation failed (A)',
            "Proto constraint validation failed (A)",
        ),
        ("Duplicated credential key: 'SECRET'", "Duplicated credential key: (hidden)"),
        ('credentials { key: "SECRET" client: "" } is wrong', 'credentials { key: (hidden) client: "" } is wrong'),
        ("the value SECRET is wrong", "the value (hidden) is wrong"),
        ("route: unknown cluster 'iris/blue@1'", "route: unknown cluster 'iris/blue@1'"),
    ],
)
def test_reasons_of_envoy_are_shown_without_keys(message: str, shown: str) -> None:
    assert redact(message, ["SECRET", ""]) == shown
