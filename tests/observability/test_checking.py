"""Checks in Git, asked of real servers on loopback: every outcome, and answers that mean harm."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from servers import Asked, Handler, Served, Write, answering, serving, whole

from observability.checking import container_path
from observability.examination import Examination, Outcome
from observability.examiner import HttpExaminer
from observability.inspector import Uninspected, inspecting
from observability.schema import fault_of
from observability.verdict import Verdict
from spec.checks import Check, Checks

CHECK = Check("a", body='{"x": 1}')
COMPARED = replace(CHECK, max_difference=0.0)


def checks(*found: Check, max_changed: int | None = None) -> Checks:
    return Checks("c.yml", found, "0" * 12, max_changed)


def many(count: int, max_difference: float | None = None) -> tuple[Check, ...]:
    return tuple(Check(f"c{number}", body=str(number), max_difference=max_difference) for number in range(count))


async def examine(
    given: Checks | None, *, candidate: tuple[Handler, ...] = (), stable: tuple[Handler, ...] = ()
) -> tuple[Outcome, list[Served]]:
    async with AsyncExitStack() as stack:
        mine = [await stack.enter_async_context(serving(one)) for one in candidate]
        theirs = [await stack.enter_async_context(serving(one)) for one in stable]
        examination = Examination(
            kind="checks",
            endpoint="shop",
            release="blue@2",
            replicas=tuple(one.address for one in mine),
            stable=tuple(one.address for one in theirs),
            checks=given,
        )
        return await HttpExaminer().examine(examination), [*mine, *theirs]


async def judge(check: Check, answer: bytes) -> Outcome:
    outcome, _ = await examine(checks(check), candidate=(answering(lambda _: answer),))
    return outcome


def echo(change: Callable[[float], object] = lambda number: number) -> Handler:
    return answering(lambda asked: whole({"score": change(json.loads(asked.body))}))


async def test_a_check_is_sent_as_it_is_written() -> None:
    check = Check("a", '{"b":1}', "PUT", "/v1/x?y=%20z", (("content-type", "text/csv"), ("x-a", "1")), status=201)
    outcome, (served,) = await examine(checks(check), candidate=(answering(lambda _: whole({}, 201)),))
    (asked,) = served.asked
    assert outcome == Outcome(Verdict.GOOD, "the only check passes")
    assert (asked.method, asked.path, asked.body) == ("PUT", "/v1/x?y=%20z", b'{"b":1}')
    assert (asked.headers["content-type"], asked.headers["x-a"]) == ("text/csv", "1")
    assert asked.headers["accept-encoding"] == "identity"


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert (await judge(CHECK, whole({}))).verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("path", "found"),
    [("/score", "/invoke"), ("/score?a=/score", "/invoke?a=/score"), ("/swagger.json", "/openapi"),
     ("/", "/base/"), ("/v2/models", "/base/v2/models"), ("/score/x", "/base/score/x"), ("/scores", "/base/scores")],
)  # fmt: skip
def test_paths_are_the_containers(path: str, found: str) -> None:
    for root in ("/base", "/base/"):
        assert container_path(path, ("/invoke", "/openapi", root)) == found


BACKTRACKS = '{"type":"string","pattern":"^(a|a)*$"}'
MULTIPLIES = json.dumps(
    {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"items": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}},
    }
)


@pytest.mark.parametrize(
    ("schema", "answer"), [(BACKTRACKS, '"' + "a" * 60 + '!"'), (MULTIPLIES, "[" * 60 + "]" * 60)]
)
async def test_a_schema_without_end_holds_nothing_else_up(
    schema: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("observability.inspector.PATIENCE_S", 2.0)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    outcome = await judge(replace(CHECK, schema=schema), whole(answer))
    ticking.cancel()
    assert outcome.verdict is Verdict.ERROR
    assert "an answer to `a` cannot be held against its schema: it takes longer than" in outcome.message
    assert ticks > 10
    mine = psutil.Process().children(recursive=True)
    assert not [one for one in mine if "observability.schema" in one.cmdline()]


async def test_nothing_of_the_working_directory_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("jsonschema.py", "json.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'marker')!r}, 'w').close()\nraise SystemExit\n")
    monkeypatch.chdir(tmp_path)
    async with inspecting() as inspector:
        assert await inspector.fault_of("false", b"1") != ""
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("answer", ["NaN", "1e400"])
def test_numbers_that_no_schema_can_judge_are_its_fault(answer: str) -> None:
    assert "cannot be held against it" in fault_of('{"multipleOf": 0.1}', answer)


async def test_an_inspection_that_ends_by_itself_is_no_fault_of_the_answer() -> None:
    async with inspecting() as inspector:
        assert await inspector.fault_of("{}", b"1") == ""
        assert inspector.process is not None
        inspector.process.kill()
        await inspector.process.wait()
        with pytest.raises(Uninspected, match="ended"):
            await inspector.fault_of("{}", b"1")
        assert await inspector.fault_of("false", b"1") != ""


SCHEMA = '{"type":"object","required":["score"],"properties":{"score":{"type":"number","maximum":1}}}'
JUDGED = [
    (CHECK, whole("not JSON"), Verdict.GOOD, "the only check passes"),
    (CHECK, whole({"message": "boom"}, 500), Verdict.BAD, 'answered 500, expected 200: {"message": "boom"}'),
    (replace(CHECK, status=400), whole({}, 400), Verdict.GOOD, "the only check passes"),
    (replace(CHECK, status=400), whole({}, 200), Verdict.BAD, "answered 200, expected 400"),
    (CHECK, whole("", 302, "location: http://127.0.0.1:1/\r\n"), Verdict.BAD, "answered 302, expected 200"),
    (replace(CHECK, schema=SCHEMA), whole({"score": 0.5}), Verdict.GOOD, "the only check passes"),
    (replace(CHECK, schema=SCHEMA), whole({"score": 2}), Verdict.BAD, "at $.score: 2 is greater than the maximum"),
    (replace(CHECK, schema=SCHEMA), whole({}), Verdict.BAD, "'score' is a required property"),
    (replace(CHECK, schema=SCHEMA), whole("<html>"), Verdict.BAD, "its answer is no JSON"),
    (replace(CHECK, schema="{}"), whole(b"\xff\xfe\x00"), Verdict.BAD, "its answer is no JSON"),
    (replace(CHECK, schema="{}"), whole("[" * 100_000), Verdict.BAD, "nested too deeply"),
    (replace(CHECK, schema="{}"), whole("[" * 900 + "]" * 900), Verdict.GOOD, "the only check passes"),
    (replace(CHECK, expect="[]"), whole("9" * 10_000), Verdict.BAD, "its answer is no JSON"),
    (replace(CHECK, schema='{"$ref":"http://127.0.0.1:1/x"}'), whole("1"), Verdict.BAD, "which is not in it"),
    (replace(CHECK, expect='{"a":[1,2.0]}'), whole({"a": [1, 2]}), Verdict.GOOD, "the only check passes"),
    (replace(CHECK, expect="[1]", tolerance=0.5), whole([1.5]), Verdict.GOOD, "the only check passes"),
    (replace(CHECK, expect="[1]", tolerance=0.5), whole([1.6]), Verdict.BAD, "at $[0] 1.6 instead of 1"),
    (replace(CHECK, expect="[1]"), whole("[NaN]"), Verdict.BAD, "at $[0] nan instead of 1"),
    (replace(CHECK, expect="[1,2]"), whole([1]), Verdict.BAD, "at $ 1 items instead of 2"),
    (CHECK, b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nshort", Verdict.BAD, "its answer broke off"),
    (CHECK, b"SSH-2.0-OpenSSH\r\n\r\n", Verdict.BAD, "the connection broke off"),
    (CHECK, b"", Verdict.BAD, "the connection broke off"),
    (CHECK, b"HTTP/1.1 200 X\r\n" + b"a: b\r\n" * 100_000 + b"\r\n", Verdict.BAD, "the connection broke off"),
]


@pytest.mark.parametrize(("check", "answer", "verdict", "words"), JUDGED)
async def test_one_answer(check: Check, answer: bytes, verdict: Verdict, words: str) -> None:
    outcome = await judge(check, answer)
    assert (outcome.verdict, words in outcome.message) == (verdict, True), outcome
    if verdict is Verdict.BAD:
        assert outcome.message.startswith("1 of 1 checks fails; first `a`: ")


async def test_the_first_failing_check_is_named_and_the_rest_is_asked() -> None:
    def answer(asked: Asked) -> bytes:
        return whole("secret " * 1000, 500) if asked.body in (b"3", b"7") else whole({})

    outcome, (served,) = await examine(checks(*many(10)), candidate=(answering(answer),))
    assert outcome.verdict is Verdict.BAD
    assert outcome.message.startswith("2 of 10 checks fail; first `c3`: answered 500, expected 200: secret secret")
    assert len(outcome.message) < 200
    assert len(served.asked) == 10


class TestCompared:
    async def test_the_words_of_the_plan(self) -> None:
        def changed(number: float) -> float:
            return number + 0.4 if number in (7, 30, 49) else number

        given = checks(*many(50, max_difference=0.5))
        outcome, served = await examine(given, candidate=(echo(changed),), stable=(echo(),))
        assert outcome == Outcome(Verdict.GOOD, "all 50 checks pass; 3 of 50 answers change, at most by 0.4")
        assert [len(one.asked) for one in served] == [50, 50]
        assert [one.most_at_once for one in served] == [1, 1]

    async def test_more_than_is_allowed(self) -> None:
        given = checks(*many(50, max_difference=0.2), max_changed=2)
        outcome, _ = await examine(given, candidate=(echo(lambda n: n + (n > 46) * 0.4),), stable=(echo(),))
        assert outcome == Outcome(
            Verdict.BAD,
            "3 of 50 answers change, at most by 0.4; 3 by more than allowed (2 may); "
            "first `c47`: at $.score 47.4 instead of 47",
        )

    async def test_as_many_as_may_change(self) -> None:
        given = checks(*many(10, max_difference=0.2), max_changed=3)
        outcome, _ = await examine(given, candidate=(echo(lambda n: n + (n > 6)),), stable=(echo(),))
        assert outcome.verdict is Verdict.GOOD
        assert "3 of 10 answers change, at most by 1; 3 by more than allowed (3 may)" in outcome.message

    async def test_nothing_changes(self) -> None:
        outcome, _ = await examine(checks(*many(3, 0.0)), candidate=(echo(),), stable=(echo(),))
        assert outcome == Outcome(Verdict.GOOD, "all 3 checks pass; none of 3 answers changes")

    async def test_what_is_no_number(self) -> None:
        outcome, _ = await examine(checks(*many(3, 9.0)), candidate=(echo(str),), stable=(echo(),))
        assert outcome.verdict is Verdict.BAD
        assert "3 of 3 answers change, 3 in more than numbers; 3 by more than allowed" in outcome.message

    async def test_answers_that_are_no_json(self) -> None:
        mine, theirs = (answering(lambda _, text=text: whole(text)) for text in ("new", "old"))
        outcome, _ = await examine(checks(COMPARED), candidate=(mine,), stable=(theirs,))
        assert outcome.verdict is Verdict.BAD
        assert outcome.message.endswith("first `a`: new instead of old")

    async def test_only_those_that_ask_for_it(self) -> None:
        outcome, served = await examine(checks(CHECK, COMPARED), candidate=(echo_x(),), stable=(echo_x(),))
        assert outcome == Outcome(Verdict.GOOD, "all 2 checks pass; the only answer compared does not change")
        assert [len(one.asked) for one in served] == [2, 1]

    async def test_stable_alone_fails(self) -> None:
        broken = answering(lambda _: whole("oops", 500))
        outcome, _ = await examine(checks(COMPARED), candidate=(echo_x(),), stable=(broken,))
        assert outcome == Outcome(
            Verdict.GOOD,
            "the only check passes; 1 could not be compared, since the stable release fails them itself; "
            "first `a`: answered 500, expected 200: oops",
        )

    async def test_stable_fails_too(self) -> None:
        broken = answering(lambda _: whole("oops", 500))
        outcome, _ = await examine(checks(COMPARED), candidate=(broken,), stable=(broken,))
        assert outcome.verdict is Verdict.INCONCLUSIVE
        assert "1 fails on the stable release too, so this is not the candidate's doing; first `a`" in outcome.message

    async def test_a_check_that_is_not_compared_is_the_candidates_alone(self) -> None:
        broken = answering(lambda _: whole("oops", 500))
        outcome, _ = await examine(checks(CHECK), candidate=(broken,), stable=(broken,))
        assert outcome.verdict is Verdict.BAD

    async def test_no_stable_replica(self) -> None:
        outcome, _ = await examine(checks(COMPARED), candidate=(echo_x(),))
        assert outcome.verdict is Verdict.ERROR
        assert outcome.message.endswith("not compared with the stable release: none of its replicas is ready")

    async def test_a_bad_answer_is_bad_without_stable(self) -> None:
        broken = answering(lambda _: whole("oops", 500))
        outcome, _ = await examine(checks(COMPARED), candidate=(broken,))
        assert outcome.verdict is Verdict.BAD

    async def test_a_stable_that_hangs_is_asked_three_times(self) -> None:
        quick = tuple(replace(check, timeout_s=0.1) for check in many(8, 0.0))
        outcome, (_, stable) = await examine(checks(*quick), candidate=(echo(),), stable=(hang,))
        assert outcome.verdict is Verdict.ERROR
        assert outcome.message.startswith("all 8 checks pass; 3 could not be compared")
        assert len(stable.asked) == 3


def echo_x() -> Handler:
    return answering(lambda asked: whole(asked.json()))


async def hang(_: Asked, __: Write) -> None:
    await asyncio.sleep(60)


class TestNobody:
    async def test_no_replica(self) -> None:
        outcome, _ = await examine(checks(CHECK))
        assert outcome == Outcome(Verdict.ERROR, "there is nobody to ask: no replica of blue@2 is ready")

    async def test_no_checks(self) -> None:
        outcome, (served,) = await examine(None, candidate=(echo(),))
        assert (outcome.verdict, served.asked) == (Verdict.ERROR, [])

    async def test_connection_refused(self, closed_port: int) -> None:
        address = ("127.0.0.1", closed_port)
        examination = Examination("checks", "shop", "blue@2", replicas=(address,), checks=checks(*many(9)))
        outcome = await HttpExaminer().examine(examination)
        assert outcome.verdict is Verdict.ERROR
        assert outcome.message.startswith("there is nobody to ask at blue@2: no connection")

    async def test_another_replica_is_asked_instead(self, closed_port: int) -> None:
        async with serving(echo()) as served:
            replicas = (("127.0.0.1", closed_port), served.address)
            examination = Examination("checks", "shop", "blue@2", replicas=replicas, checks=checks(*many(9)))
            outcome = await HttpExaminer().examine(examination)
        assert (outcome.verdict, len(served.asked)) == (Verdict.GOOD, 9)


async def test_replicas_share_the_checks() -> None:
    outcome, served = await examine(checks(*many(20)), candidate=(echo(), echo()))
    assert outcome.verdict is Verdict.GOOD
    assert sum(len(one.asked) for one in served) == 20
    assert all(one.asked and one.most_at_once == 1 for one in served)


class TestHostile:
    async def test_an_answer_without_end(self) -> None:
        async def stream(_: Asked, write: Write) -> None:
            await write(b"HTTP/1.1 200 X\r\ncontent-length: 1073741824\r\n\r\n")
            for _ in range(1024):
                await write(b"x" * (1 << 20))

        outcome, (served,) = await examine(checks(CHECK), candidate=(stream,))
        assert outcome.verdict is Verdict.BAD
        assert outcome.message.endswith("its answer is longer than 4 MiB")
        assert served.ended_early == 1

    async def test_an_answer_that_drips(self) -> None:
        async def drip(_: Asked, write: Write) -> None:
            await write(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\n")
            while True:
                await write(b"x")
                await asyncio.sleep(0.01)

        outcome, _ = await examine(checks(replace(CHECK, timeout_s=0.3)), candidate=(drip,))
        assert outcome.message == "1 of 1 checks fails; first `a`: its answer did not end within 0.3 s"

    async def test_headers_that_drip(self) -> None:
        async def drip(_: Asked, write: Write) -> None:
            await write(b"HTTP/1.1 200 X\r\n")
            while True:
                await write(b"a: b\r\n")
                await asyncio.sleep(0.01)

        outcome, _ = await examine(checks(replace(CHECK, timeout_s=0.3)), candidate=(drip,))
        assert outcome.message == "1 of 1 checks fails; first `a`: no answer within 0.3 s"

    async def test_three_that_hang_are_enough(self) -> None:
        quick = tuple(replace(check, timeout_s=0.1) for check in many(50))
        outcome, (served,) = await examine(checks(*quick), candidate=(hang,))
        assert outcome == Outcome(
            Verdict.BAD,
            "3 of 50 checks fail; first `c0`: no answer within 0.1 s; the rest was not asked: 3 got no answer",
        )
        assert len(served.asked) == 3

    async def test_a_compressed_answer_is_not_unpacked(self) -> None:
        answer = whole(b"\x1f\x8b" + b"x" * 50, headers="content-encoding: gzip\r\n")
        outcome = await judge(replace(CHECK, expect="1"), answer)
        assert "its answer is no JSON" in outcome.message

    async def test_control_characters_reach_nobodys_terminal(self) -> None:
        outcome = await judge(CHECK, whole("\x1b[2Jhello\r\nworld\x00", 500))
        assert outcome.message.endswith("expected 200: [2Jhello world")
        assert outcome.message.isprintable()


async def test_all_of_it_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(_: Asked, write: Write) -> None:
        await asyncio.sleep(0.2)
        await write(whole({}))

    monkeypatch.setattr("observability.checking.LONGEST_S", 0.5)
    outcome, (served,) = await examine(checks(*many(50)), candidate=(slow,))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.message.endswith("of 50 checks pass; the rest was not asked: it took longer than 0.5 s")
    assert 1 <= len(served.asked) <= 4


async def test_cancelled_it_lets_go_at_once() -> None:
    arrived = asyncio.Event()

    async def stay(_: Asked, __: Write) -> None:
        arrived.set()
        await asyncio.sleep(60)

    async with serving(stay) as mine, serving(stay) as theirs:
        examination = Examination(
            "checks", "shop", "blue@2", (mine.address,), (theirs.address,), checks=checks(COMPARED)
        )
        task = asyncio.create_task(HttpExaminer().examine(examination))
        await arrived.wait()
        task.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await task
