"""What becomes of a move that came to its end: the watch, and what stays warm."""

from dataclasses import replace
from datetime import timedelta

import pytest
from moves import FIRST, LAST, NEW, OLD, POLICY, SEEN, T0, WATCH, facts

from observability.evidence import Tally
from reconciler.rollout import advance
from reconciler.run import Episode, Evidence
from reconciler.state import Settled, Shifting
from spec.policy import IMMEDIATE, WHOLE, RolloutPolicy


class TestPromoted:
    def settle(self, **changes: object) -> Settled:
        run = replace(LAST, carried=WHOLE, **changes)  # type: ignore[arg-type]
        found = advance(Shifting(run), facts(7, policy=run.policy)).phase
        assert isinstance(found, Settled)
        return found

    def test_it_is_watched(self) -> None:
        watch = self.settle(unproven=True, evidence=SEEN).watch
        assert watch is not None
        assert (watch.previous, watch.policy, watch.unproven) == (OLD, POLICY, True)
        assert watch.until == T0 + timedelta(seconds=57)
        assert watch.watched_until == T0 + timedelta(seconds=27)
        assert (watch.evidence.episodes, watch.evidence.epoch) == ((), "e")

    def test_with_what_stable_showed(self) -> None:
        evidence = Evidence((Episode(OLD, (("blue@1", Tally((9, 0, 0, 0, 0, 0))),)),), "e")
        watch = self.settle(evidence=evidence).watch
        assert watch is not None
        assert watch.stable.total == 9

    def test_no_longer_than_it_is_kept(self) -> None:
        watch = self.settle(policy=replace(POLICY, watch_s=500)).watch
        assert watch is not None
        assert watch.watched_until == watch.until

    @pytest.mark.parametrize("policy", [replace(POLICY, keep_s=0), IMMEDIATE])
    def test_or_not(self, policy: RolloutPolicy) -> None:
        assert self.settle(policy=policy).watch is None

    def test_a_second_is_a_watch_too(self) -> None:
        assert self.settle(policy=replace(POLICY, keep_s=1)).watch is not None

    def test_nobody_is_unproven_whom_nobody_watches(self) -> None:
        watch = self.settle(policy=replace(POLICY, watch_s=0), unproven=True).watch
        assert watch is not None
        assert not watch.unproven
        watch = self.settle(policy=replace(POLICY, watch_s=1), unproven=True).watch
        assert watch is not None
        assert watch.unproven

    def test_a_first_one_leaves_nothing_warm(self) -> None:
        run = replace(FIRST, step=0, fraction=WHOLE, sized=WHOLE, carried=WHOLE)
        assert advance(Shifting(run), facts(7)).phase == Settled(NEW)


def test_evidence_gives_an_unproven_release_the_whole_watch() -> None:
    found = advance(Settled(NEW, replace(WATCH, unproven=True, evidence=SEEN)), facts(999)).phase
    assert isinstance(found, Settled)
    assert found.watch is not None
    assert not found.watch.unproven
    assert found.watch.until == T0 + timedelta(seconds=1049)
    assert found.watch.watched_until == T0 + timedelta(seconds=1019)
