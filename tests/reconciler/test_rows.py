"""Rows of memory that an older Headgate wrote are read as today's."""

import json

import pytest

from reconciler.rows import FORMAT, upgrade_row

SPLIT = [["blue@1", 10000]]


@pytest.mark.parametrize("kind", ["warming", "shifting", "reverting"])
def test_a_move_that_was_under_way_begins_anew_from_its_source(kind: str) -> None:
    old = {"endpoint": "fraud", "phase": {"kind": kind, "source": SPLIT, "target": [["blue@2", 10000]]}}
    assert json.loads(upgrade_row(1, json.dumps(old))) == {
        "endpoint": "fraud",
        "phase": {"kind": "settled", "split": SPLIT},
    }


@pytest.mark.parametrize("phase", [{"kind": "settled", "split": SPLIT}, {"kind": "removing", "since": "2030-01-01"}])
def test_what_stood_still_stays(phase: dict[str, object]) -> None:
    assert json.loads(upgrade_row(1, json.dumps({"phase": phase}))) == {"phase": phase}


def test_a_move_without_a_source_settles_on_nothing() -> None:
    assert json.loads(upgrade_row(1, '{"phase": {"kind": "warming"}}'))["phase"] == {"kind": "settled", "split": []}


def test_todays_rows_are_left_alone() -> None:
    text = json.dumps({"phase": {"kind": "warming", "run": {}}})
    assert upgrade_row(FORMAT, text) == text
