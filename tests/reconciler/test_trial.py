"""Readings become evidence, evidence becomes verdicts: what counts, what does not, and when it is looked at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from observability.evidence import Reading, Tally
from observability.verdict import Verdict
from reconciler import trial
from reconciler.run import Episode, Evidence, Mark, Run, Watch
from reconciler.split import Split
from reconciler.trial import Examined, absorb
from spec.policy import IMMEDIATE, Gate, RolloutPolicy, Weight

T0 = datetime(2030, 1, 1, tzinfo=UTC)
OLD: Split = (("blue@1", 10_000),)
NEW: Split = (("blue@2", 10_000),)
TENTH: Split = (("blue@1", 9000), ("blue@2", 1000))
HALF: Split = (("blue@1", 5000), ("blue@2", 5000))
WINDOW = Gate("window", max=0.1, test="threshold", interval_s=10, failure_limit=1, success_limit=2, min_requests=5)
CONFIRM = Gate("confirm", metric="http", interval_s=10, failure_limit=1, success_limit=2, error_limit=1)
ERRORS = Gate("errors", compare_stable=True)
UNSEEN = Evidence()


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def tally(ok: int = 0, failed: int = 0) -> Tally:
    return Tally((ok, 0, 0, 0, failed, 0))


def reading(epoch: str = "e", **counts: int) -> Reading:
    return Reading(epoch, T0, {f"blue@{name[1:]}": tally(count) for name, count in counts.items()})


def run(*gates: Gate, evidence: Evidence = UNSEEN, **more: object) -> Run:
    policy = RolloutPolicy(steps=(Weight(1000, 60),), gates=gates)
    made = Run(OLD, NEW, T0, T0, policy, step=0, fraction=1000, sized=1000, carried=1000, entered=T0)
    return replace(made, evidence=evidence, **more)  # type: ignore[arg-type]


def seen(stable: Tally, candidate: Tally, split: Split = TENTH) -> Evidence:
    return Evidence((Episode(split, (("blue@1", stable), ("blue@2", candidate))),), "e")


class TestAbsorb:
    def start(self) -> Evidence:
        return absorb(Evidence(), reading(b1=100), TENTH, T0)

    def test_the_first_reading_is_only_where_counting_starts(self) -> None:
        found = self.start()
        assert (found.episodes, found.since, found.is_silent) == ((), T0, True)

    def test_what_came_since_counts(self) -> None:
        found = absorb(self.start(), reading(b1=130, b2=7), TENTH, after(1))
        assert found.tally("blue@1") == tally(30)
        assert found.tally("blue@2") == tally(7)
        assert (found.since, found.is_silent) == (T0, False)

    def test_the_same_reading_twice_counts_once(self) -> None:
        found = absorb(self.start(), reading(b1=130), TENTH, after(1))
        assert absorb(found, reading(b1=130), TENTH, after(2)) == found

    def test_one_episode_for_each_split(self) -> None:
        found = absorb(self.start(), reading(b1=110), TENTH, T0)
        found = absorb(found, reading(b1=120, b2=1), TENTH, T0)
        found = absorb(found, reading(b1=121, b2=2), HALF, T0)
        found = absorb(found, reading(b1=122, b2=2), TENTH, T0)
        assert [episode.split for episode in found.episodes] == [TENTH, HALF, TENTH]
        assert dict(found.episodes[0].tallies) == {"blue@1": tally(20), "blue@2": tally(1)}
        assert found.tally("blue@1") == tally(22)

    @staticmethod
    def pieces(found: Evidence) -> list[tuple[int, int]]:
        return [(episode.piece, episode.size) for episode in found.episodes]

    def test_what_is_seen_of_one_split_comes_in_pieces(self) -> None:
        found = self.start()
        for count in (124, 125, 149, 160):
            found = absorb(found, reading(b1=count), TENTH, T0)
        assert self.pieces(found) == [(0, 25), (1, 35)]

    def test_two_pieces_that_are_small_beside_what_came_after_them_are_one(self) -> None:
        found = self.start()
        for count in (125, 150, 224):
            found = absorb(found, reading(b1=count), TENTH, T0)
        assert self.pieces(found) == [(0, 25), (1, 25), (2, 74)]
        found = absorb(found, reading(b1=249), TENTH, T0)
        assert self.pieces(found) == [(0, 25), (1, 25), (2, 74), (3, 25)]
        found = absorb(found, reading(b1=1000), TENTH, T0)
        found = absorb(found, reading(b1=1025), TENTH, T0)
        assert self.pieces(found) == [(0, 149), (4, 751), (5, 25)]

    def test_their_number_grows_as_a_logarithm_and_none_is_lost(self) -> None:
        found, lengths = self.start(), []
        for count in range(125, 50_100, 25):
            found = absorb(found, reading(b1=count), TENTH, T0)
            lengths.append(len(found.episodes))
        assert found.tally("blue@1").total == 49_975
        assert lengths[-1] < 40
        assert lengths[-1] - lengths[len(lengths) // 2] < 6
        numbers = [piece for piece, _ in self.pieces(found)]
        assert numbers == sorted(set(numbers))
        assert (numbers[0], numbers[-1]) == (0, 1998)
        half = [size for _, size in self.pieces(found)]
        assert all(one <= 0.5 * max(sum(half[index + 1 :]), 50) for index, one in enumerate(half) if index)

    def test_pieces_are_joined_with_those_of_their_own_split(self) -> None:
        found = self.start()
        for count, split in ((125, TENTH), (150, TENTH), (175, HALF), (200, HALF), (225, TENTH)):
            found = absorb(found, reading(b1=count), split, T0)
        assert self.pieces(found) == [(0, 50), (0, 50), (0, 25)]

    def test_what_was_seen_of_another_split_is_never_joined(self) -> None:
        found = self.start()
        for count, split in ((125, TENTH), (150, HALF), (1150, TENTH), (1175, TENTH), (1200, TENTH)):
            found = absorb(found, reading(b1=count), split, T0)
        assert self.pieces(found) == [(0, 25), (0, 25), (0, 1000), (1, 25), (2, 25)]

    def test_a_split_that_is_over_is_one_piece(self) -> None:
        found = self.start()
        for count in range(125, 1100, 25):
            found = absorb(found, reading(b1=count), TENTH, T0)
        found = absorb(found, reading(b1=1110), HALF, T0)
        assert self.pieces(found) == [(0, 975), (0, 35)]

    def test_another_epoch_begins_anew_and_is_evidence_from_its_start(self) -> None:
        found = absorb(self.start(), reading(b1=130), TENTH, after(1))
        found = absorb(found, reading("later", b1=5), TENTH, after(9))
        assert found.tally("blue@1") == tally(35)
        assert (found.epoch, found.since) == ("later", after(9))

    def test_while_nothing_is_read_nothing_is_silent(self) -> None:
        found = absorb(self.start(), None, TENTH, after(5))
        assert found.since is None
        found = absorb(found, reading(b1=150), TENTH, after(9))
        assert found.since == after(9)
        assert found.tally("blue@1") == tally(50)

    def test_what_does_not_count_is_left_out(self) -> None:
        found = absorb(self.start(), reading(b1=150), TENTH, after(1), counts=False)
        assert found.is_silent
        assert absorb(found, reading(b1=151), TENTH, after(2)).tally("blue@1") == tally(1)

    def test_silence_makes_no_episode(self) -> None:
        assert absorb(self.start(), reading(b1=100), HALF, after(1)).episodes == ()


class TestStages:
    def test_the_share_is_of_candidate_and_stable_together(self) -> None:
        source: Split = (("blue@1", 8000), ("green@1", 2000))
        target: Split = (("blue@2", 4000), ("green@2", 6000))
        split: Split = (("blue@1", 4000), ("blue@2", 2000), ("green@1", 1000), ("green@2", 3000))
        episode = Episode(split, tuple((name, tally(share)) for name, share in split))
        moving = replace(run(ERRORS), source=source, target=target, evidence=Evidence((episode,), "e"))
        found = trial.stages(moving, "blue@2")[0]
        assert (found.share, found.candidate, found.stable) == (2857, tally(2000), tally(5000))

    def test_half_of_the_requests(self) -> None:
        assert trial.stages(run(evidence=seen(tally(5), tally(5), HALF)), "blue@2")[0].share == 5000

    def test_a_candidate_without_a_share(self) -> None:
        assert trial.stages(run(evidence=seen(tally(9), tally(0), OLD)), "blue@2")[0].share == 0

    def test_a_candidate_alone(self) -> None:
        assert trial.stages(run(evidence=seen(tally(0), tally(5), NEW)), "blue@2")[0].share == 10_000


class TestExamineRun:
    def test_what_is_not_judged(self) -> None:
        bad = seen(tally(900), tally(0, 100))
        assert trial.examine_run(run(evidence=bad), {}, T0).said == ()
        assert trial.examine_run(run(ERRORS, evidence=bad, full=True), {}, T0).said == ()
        assert trial.examine_run(run(ERRORS, evidence=bad, step=-1, fraction=0), {}, T0).said == ()
        straight = replace(run(ERRORS, evidence=bad), policy=IMMEDIATE)
        assert trial.examine_run(straight, {}, T0).said == ()

    def test_what_is(self) -> None:
        found = trial.examine_run(run(ERRORS, evidence=seen(tally(900), tally(0, 100))), {}, T0)
        assert [(one.gate, one.release, one.verdict) for one in found.said] == [("errors", "blue@2", Verdict.BAD)]
        assert found.said[0].samples == 100
        assert found.marks == ()

    def test_candidates_share_the_false_alarm_rate(self) -> None:
        """A verdict that is just reached by one candidate is not by one of fifty."""
        evidence = seen(tally(900), tally(97, 3))
        alone = trial.examine_run(run(ERRORS, evidence=evidence), {}, T0)
        many: Split = (("blue@2", 200), *((f"c{number:02}@1", 200) for number in range(49)))
        crowd = trial.examine_run(replace(run(ERRORS, evidence=evidence), target=many), {}, T0)
        assert alone.said[0].verdict is Verdict.BAD
        assert crowd.said[0].verdict is not Verdict.BAD
        assert len(crowd.said) == 50

    def test_a_dry_run_says_so(self) -> None:
        gate = replace(ERRORS, dry_run=True)
        assert trial.examine_run(run(gate, evidence=seen(tally(9), tally(9))), {}, T0).said[0].dry_run


class TestThreshold:
    def look(self, before: Run, seconds: float, good: int, bad: int) -> Run:
        """One more look, at all evidence so far."""
        moving = replace(before, evidence=seen(tally(1000), tally(good, bad)))
        return trial.examine_run(moving, {}, after(seconds))

    def verdicts(self, *looks: tuple[float, int, int]) -> list[str]:
        moving, found = run(WINDOW), []
        for look in looks:
            moving = self.look(moving, *look)
            found.append(f"{moving.said[0].verdict} {moving.said[0].reason}")
        return found

    def test_it_looks_once_an_interval(self) -> None:
        assert self.verdicts((9.9, 0, 50), (10, 0, 50), (19.9, 0, 99), (20, 0, 100)) == [
            "inconclusive Measuring",
            "inconclusive Measuring",
            "inconclusive Measuring",
            "bad FailureLimit",
        ]

    def test_only_at_what_came_in_it(self) -> None:
        """The first window is bad; the second alone is good, although both together would not be."""
        moving = self.look(self.look(run(WINDOW), 10, 0, 50), 20, 50, 50)
        mark = moving.marks[0]
        assert (mark.failures, mark.successes, mark.since) == (1, 1, after(20))
        assert (mark.candidate, mark.stable) == (tally(50, 50), tally(1000))

    def test_good_ones_must_be_in_a_row(self) -> None:
        looks = ((10, 50, 0), (20, 50, 50), (30, 100, 50), (40, 150, 50))
        assert self.verdicts(*looks) == [
            "inconclusive Measuring",
            "inconclusive Measuring",
            "inconclusive Measuring",
            "good WithinLimits",
        ]

    def test_too_little_traffic_is_no_measurement(self) -> None:
        moving = self.look(run(WINDOW), 10, 4, 0)
        assert (moving.said[0].verdict, moving.said[0].reason) == (Verdict.INCONCLUSIVE, "NotEnoughTraffic")
        assert moving.marks[0] == Mark("window", "blue@2", T0)
        assert self.look(moving, 11, 5, 0).marks[0].successes == 1

    def test_a_first_look_without_evidence(self) -> None:
        found = trial.examine_run(run(WINDOW), {}, after(10))
        assert found.said[0].reason == "NotEnoughTraffic"


class TestExamined:
    """A gate that asks by itself: one outcome is one measurement."""

    def verdicts(self, *outcomes: tuple[float, Verdict]) -> tuple[Run, list[str]]:
        moving, found = run(CONFIRM), []
        for seconds, verdict in outcomes:
            outcome = {("confirm", "blue@2"): Examined(after(seconds), verdict, f"at {seconds}")}
            for _ in range(2):
                moving = trial.examine_run(moving, outcome, after(seconds))
            found.append(f"{moving.said[0].verdict} {moving.said[0].reason}")
        return moving, found

    def test_good_twice(self) -> None:
        moving, found = self.verdicts((0, Verdict.GOOD), (10, Verdict.GOOD))
        assert found == ["inconclusive Measuring", "good WithinLimits"]
        assert moving.said[0].message == "at 10 (2 good in a row, 0 bad)"
        assert moving.said[0].samples == 2

    def test_bad_twice(self) -> None:
        _, found = self.verdicts((0, Verdict.BAD), (10, Verdict.GOOD), (20, Verdict.BAD))
        assert found == ["inconclusive Measuring", "inconclusive Measuring", "bad FailureLimit"]

    def test_errors_have_a_limit_of_their_own_and_end_with_an_answer(self) -> None:
        _, found = self.verdicts((0, Verdict.ERROR), (10, Verdict.GOOD), (20, Verdict.ERROR), (30, Verdict.ERROR))
        assert found == ["inconclusive Measuring"] * 3 + ["error ErrorLimit"]

    def test_an_error_ends_with_a_bad_answer_too(self) -> None:
        _, found = self.verdicts((0, Verdict.ERROR), (10, Verdict.BAD), (20, Verdict.ERROR))
        assert found == ["inconclusive Measuring"] * 3
        _, found = self.verdicts((0, Verdict.BAD), (10, Verdict.ERROR), (20, Verdict.ERROR))
        assert found[-1] == "error ErrorLimit"

    def test_an_inconclusive_one_counts_for_nothing(self) -> None:
        moving, found = self.verdicts((0, Verdict.GOOD), (10, Verdict.INCONCLUSIVE), (20, Verdict.GOOD))
        assert found == ["inconclusive Measuring", "inconclusive Measuring", "good WithinLimits"]
        assert moving.marks[0].errors == 0

    def test_one_good_answer_after_a_bad_one_is_enough(self) -> None:
        _, found = self.verdicts((0, Verdict.BAD), (10, Verdict.GOOD), (20, Verdict.GOOD))
        assert found[-1] == "good WithinLimits"
        _, once = self.verdicts((0, Verdict.BAD), (10, Verdict.GOOD))
        assert once[-1] == "inconclusive Measuring"

    def test_an_outcome_from_before_does_not_count(self) -> None:
        moving = run(CONFIRM, entered=after(5))
        old = {("confirm", "blue@2"): Examined(T0, Verdict.GOOD, "old")}
        found = trial.examine_run(moving, old, after(6))
        assert found.said[0].message == "not measured yet"
        same = {("confirm", "blue@2"): Examined(after(5), Verdict.GOOD, "just")}
        assert trial.examine_run(moving, same, after(6)).marks[0].successes == 1

    def test_what_is_wanted(self) -> None:
        assert [(gate.name, release) for gate, release, _ in trial.wanted(run(CONFIRM), T0)] == [
            ("confirm", "blue@2")
        ]
        assert list(trial.wanted(run(WINDOW, ERRORS), T0)) == []
        assert list(trial.wanted(run(CONFIRM, full=True), T0)) == []
        assert list(trial.wanted(run(CONFIRM, fraction=0, step=-1), T0)) == []

    def test_it_is_wanted_before_the_first_share_too(self) -> None:
        assert [since for _, _, since in trial.wanted(run(CONFIRM, fraction=0), T0)] == [T0]

    def test_it_is_wanted_again_after_an_interval(self) -> None:
        measured = run(CONFIRM, marks=(Mark("confirm", "blue@2", T0, message="fine"),))
        assert list(trial.wanted(measured, after(9.9))) == []
        assert [since for _, _, since in trial.wanted(measured, after(10))] == [T0]
        asked = run(CONFIRM, marks=(Mark("confirm", "blue@2", T0),))
        assert [since for _, _, since in trial.wanted(asked, after(1))] == [T0]


def test_the_next_look_is_the_first_that_is_still_to_come() -> None:
    marks = (Mark("window", "blue@2", T0), Mark("slow", "blue@2", T0), Mark("gone", "blue@2", T0))
    moving = run(WINDOW, replace(WINDOW, name="slow", interval_s=30), marks=marks)
    assert trial.next_look(moving, T0) == after(10)
    assert trial.next_look(moving, after(10)) == after(30)
    assert trial.next_look(moving, after(30)) is None


class TestWatch:
    def watch(self, candidate: Tally, *gates: Gate, **more: object) -> Watch:
        policy = RolloutPolicy(gates=gates or (ERRORS,))
        evidence = Evidence((Episode(NEW, (("blue@2", candidate),)),), "e")
        made = Watch(OLD, after(100), after(50), policy, stable=tally(5000), evidence=evidence)
        return replace(made, **more)  # type: ignore[arg-type]

    @pytest.mark.parametrize(("seconds", "verdicts"), [(49.9, [Verdict.BAD]), (50, []), (99, [])])
    def test_until_it_ends(self, seconds: float, verdicts: list[Verdict]) -> None:
        found = trial.examine_watch(self.watch(tally(0, 100)), NEW, {}, after(seconds))
        assert [one.verdict for one in found.said] == verdicts

    def test_what_was_said_goes_with_it(self) -> None:
        said = trial.examine_watch(self.watch(tally(100)), NEW, {}, after(1))
        assert said.said
        assert trial.examine_watch(said, NEW, {}, after(50)).said == ()

    def test_an_unproven_one_has_no_end(self) -> None:
        found = trial.examine_watch(self.watch(tally(0, 100), unproven=True), NEW, {}, after(9999))
        assert found.said[0].verdict is Verdict.BAD

    def test_a_good_one(self) -> None:
        found = trial.examine_watch(self.watch(tally(5000)), NEW, {}, after(1))
        assert found.said[0].verdict is not Verdict.BAD

    def test_promoted_releases_share_the_false_alarm_rate(self) -> None:
        many: Split = (("blue@2", 200), *((f"c{number:02}@1", 200) for number in range(49)))
        counts = [failed for failed in range(1, 60) if self.verdict(failed, NEW) is Verdict.BAD]
        crowd = [failed for failed in range(1, 60) if self.verdict(failed, many) is Verdict.BAD]
        assert counts[0] < crowd[0]

    def verdict(self, failed: int, split: Split) -> Verdict:
        found = trial.examine_watch(self.watch(tally(200 - failed, failed)), split, {}, after(1))
        return found.said[0].verdict

    def test_one_alone_has_all_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[object] = []
        for name in ("judge", "judge_frozen"):
            real = getattr(trial, name)
            monkeypatch.setattr(trial, name, lambda *given, real=real: asked.append(given[-1]) or real(*given))
        policy = RolloutPolicy(gates=(ERRORS,), false_alarm_rate=0.04)
        trial.examine_run(replace(run(ERRORS), policy=policy), {}, T0)
        trial.examine_watch(self.watch(tally(5), policy=policy), NEW, {}, T0)
        assert asked == [0.04, 0.04]

    def test_what_asks_by_itself_goes_on_asking(self) -> None:
        first = trial.examine_watch(self.watch(tally(0, 100), CONFIRM), NEW, {}, after(1))
        assert [(one.verdict, one.message) for one in first.said] == [(Verdict.INCONCLUSIVE, "not measured yet")]
        assert [since for _, _, since in trial.wanted_by_watch(first, NEW, after(1))] == [after(1)]
        bad = {("confirm", "blue@2"): Examined(after(2), Verdict.BAD, "answered 500")}
        second = trial.examine_watch(first, NEW, bad, after(2))
        assert (second.marks[0].failures, second.said[0].samples) == (1, 1)
        assert list(trial.wanted_by_watch(second, NEW, after(3))) == []
        assert trial.next_look(second, after(3)) == after(12)
        assert list(trial.wanted_by_watch(second, NEW, after(50))) == []
        unproven = replace(second, unproven=True)
        assert list(trial.wanted_by_watch(unproven, NEW, after(50))) == []

    def test_bad_answers_of_a_long_watch_do_not_add_up(self) -> None:
        watch = self.watch(tally(100), replace(CONFIRM, failure_limit=1, success_limit=2))
        for second, verdict in enumerate("bggbggbgg", 2):
            said = Verdict.BAD if verdict == "b" else Verdict.GOOD
            watch = trial.examine_watch(
                watch, NEW, {("confirm", "blue@2"): Examined(after(second), said, "")}, after(second)
            )
            assert watch.said[0].verdict is not Verdict.BAD
        for second in (20, 21):
            bad = {("confirm", "blue@2"): Examined(after(second), Verdict.BAD, "")}
            watch = trial.examine_watch(watch, NEW, bad, after(second))
        assert watch.said[0].verdict is Verdict.BAD
