"""What was refused is not started again, and what is guilty is replaced."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from world import deployment

from reconciler.refusals import KEPT, active, add, against, effective, shunned
from reconciler.run import Refusal
from reconciler.split import Split
from reconciler.state import Memory, Settled
from spec.catalog import EndpointSpec
from spec.checks import Checks
from spec.policy import BUILT_IN, IMMEDIATE

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BASE: Split = (("blue@1", 10_000),)
BAD: Split = (("blue@2", 10_000),)
MIXED: Split = (("blue@2", 5000), ("green@1", 5000))


def refusal(target: Split = BAD, *guilty: str) -> Refusal:
    return Refusal(target, guilty, "GateFailed", "too many errors", NOW, BUILT_IN)


def memory(*refused: Refusal, promoted: dict[str, str] | None = None, split: Split = BASE) -> Memory:
    known = {"blue": "blue@1"} if promoted is None else promoted
    return Memory("fraud", Settled(split), promoted=tuple(sorted(known.items())), refused=refused)


@pytest.mark.parametrize(
    ("target", "found", "expected"),
    [
        (BAD, memory(), BAD),
        (BAD, memory(refusal(BAD, "blue@2")), BASE),
        (BAD, memory(refusal(BAD)), BASE),
        # Of exactly this split nothing is started, not even the part of it that is innocent.
        (MIXED, memory(refusal(MIXED, "blue@2")), BASE),
        (BAD, memory(refusal(BAD), refusal((("blue@7", 10_000),))), BASE),
        ((("blue@3", 10_000),), memory(refusal(BAD, "blue@2")), (("blue@3", 10_000),)),
        (BASE, memory(refusal(BAD, "blue@2")), BASE),
        (
            (("blue@2", 5000), ("green@1", 5000)),
            memory(refusal(BAD, "blue@2")),
            (("blue@1", 5000), ("green@1", 5000)),
        ),
        # Without a good one the guilty release stays in T: it is its deployment's first.
        ((("red@1", 5000), ("blue@1", 5000)), memory(refusal(BAD, "red@1")), (("blue@1", 5000), ("red@1", 5000))),
        # Innocent releases of a refused split may move on in another one.
        (
            (("blue@2", 2000), ("green@2", 8000)),
            memory(refusal(BAD, "green@9")),
            (("blue@2", 2000), ("green@2", 8000)),
        ),
    ],
)
def test_what_is_asked_for_instead(target: Split, found: Memory, expected: Split) -> None:
    assert effective(target, found, BUILT_IN) == expected


def test_other_checks_clear_what_checks_refused_and_nothing_else() -> None:
    by_checks = replace(refusal(BAD, "blue@2"), reason="ChecksFailed", checks="c1")
    spec = EndpointSpec("fraud", "key", "e.yml")
    checked = replace(deployment("blue", "2"), checks=Checks("c.yml", (), "c1"))
    found = replace(memory(by_checks), spec=replace(spec, deployments=(checked,)))
    assert effective(BAD, found, BUILT_IN) == BASE
    mended = replace(checked, checks=Checks("c.yml", (), "c2"))
    after = replace(found, spec=replace(spec, deployments=(mended,)))
    assert effective(BAD, after, BUILT_IN) == BAD
    assert effective(BAD, replace(after, refused=(refusal(BAD, "blue@2"),)), BUILT_IN) == BASE


def test_another_policy_clears_it() -> None:
    found = memory(refusal(BAD, "blue@2"))
    assert effective(BAD, found, IMMEDIATE) == BAD
    assert active(found, IMMEDIATE) == ()
    assert shunned(found, IMMEDIATE) == frozenset()
    assert active(found, replace(BUILT_IN, name="renamed")) == found.refused


def test_a_split_may_be_one_release_twice() -> None:
    """A guilty release whose predecessor has a share of its own leaves it both."""
    found = memory(refusal((("x@1", 10_000),), "blue@2"), promoted={"blue": "blue@1"})
    assert effective((("blue@1", 4000), ("blue@2", 6000)), found, BUILT_IN) == BASE


def test_what_gets_no_replicas() -> None:
    assert shunned(memory(refusal(BAD, "blue@2")), BUILT_IN) == {"blue@2"}
    assert shunned(memory(refusal(BAD, "blue@2", "green@1"), promoted={"green": "green@1"}), BUILT_IN) == {"blue@2"}
    assert shunned(memory(refusal(BAD)), BUILT_IN) == frozenset()


def test_one_refusal_for_each_split_and_not_too_many() -> None:
    first, again = refusal(BAD, "blue@2"), replace(refusal(BAD, "blue@2"), message="again")
    assert add((first,), again) == (again,)
    many: tuple[Refusal, ...] = ()
    for number in range(KEPT + 5):
        many = add(many, refusal(((f"blue@{number}", 10_000),)))
    assert len(many) == KEPT
    assert many[-1].target == ((f"blue@{KEPT + 4}", 10_000),)
    assert many[0].target == (("blue@5", 10_000),)


def test_what_stands_against_a_split() -> None:
    exact, guilty = refusal(BAD), refusal((("x@1", 10_000),), "blue@2")
    assert against(BAD, (guilty, exact)) == exact
    assert against(BAD, (guilty,)) == guilty
    assert against(BASE, (guilty, exact)) is None
    assert against(BAD, ()) is None
