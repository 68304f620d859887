"""Gates that ask a server: 2xx is good, another status bad, and no answer neither."""

import asyncio

import pytest
from servers import Asked, Handler, Write, answering, serving, whole

from observability.examination import Examination, Outcome
from observability.examiner import HttpExaminer
from observability.verdict import Verdict


async def confirm(handler: Handler, path: str = "/ok", timeout_s: float = 5) -> Outcome:
    async with serving(handler) as served:
        examination = Examination("http", "shop", "blue@2", url=served.url + path, timeout_s=timeout_s)
        outcome = await HttpExaminer().examine(examination)
        return Outcome(outcome.verdict, outcome.message.replace(served.url, "URL"))


@pytest.mark.parametrize(
    ("answer", "verdict", "message"),
    [
        (whole("all well\n"), Verdict.GOOD, "URL/ok answered 200: all well"),
        (whole("", 204), Verdict.GOOD, "URL/ok answered 204"),
        (whole("drift 0.4", 409), Verdict.BAD, "URL/ok answered 409: drift 0.4"),
        (whole("", 500), Verdict.BAD, "URL/ok answered 500"),
        (whole("", 401, "location: x\r\n"), Verdict.BAD, "URL/ok answered 401"),
        (whole("x" * 1000), Verdict.GOOD, f"URL/ok answered 200: {'x' * 200}…"),
        (whole("\x1b[31mred\x07"), Verdict.GOOD, "URL/ok answered 200: [31mred"),
        (whole("", 302, "location: https://other.example/?token=1\r\n"), Verdict.BAD,
         "URL/ok answered 302 (to https://other.example/, which is not followed)"),
        (whole("", 302, "location: http://127.0.0.1:1/\r\n"), Verdict.BAD,
         "URL/ok answered 302 (to http://127.0.0.1:1/, which is not followed)"),
        (whole("", 302, "location: file:///etc/passwd\r\n"), Verdict.BAD,
         "URL/ok answered 302 (to file:///etc/passwd, which is not followed)"),
        (whole("", 302, "location: http://[\r\n"), Verdict.BAD,
         "URL/ok answered 302 (to http://[, which is not followed)"),
        (whole("", 302, "location: /ok\r\n"), Verdict.ERROR, "URL/ok: more than 3 redirects"),
        (b"garbage\r\n\r\n", Verdict.ERROR,
         "URL/ok: the connection broke off (illegal status line: bytearray(b'garbage'))"),
    ],
)  # fmt: skip
async def test_one_answer(answer: bytes, verdict: Verdict, message: str) -> None:
    assert await confirm(answering(lambda _: answer)) == Outcome(verdict, message)


async def test_a_redirect_on_the_same_server_is_followed() -> None:
    def answer(asked: Asked) -> bytes:
        return whole("", 308, "location: there\r\n") if asked.path == "/ok" else whole(f"{asked.method} {asked.path}")

    assert await confirm(answering(answer)) == Outcome(Verdict.GOOD, "URL/ok answered 200: GET /there")


async def test_it_says_whom_it_is_about_and_shows_no_query() -> None:
    def answer(asked: Asked) -> bytes:
        return whole(f"{asked.path} {asked.headers['headgate-endpoint']} {asked.headers['headgate-release']}", 404)

    outcome = await confirm(answering(answer), "/ok?key=s3cret")
    assert outcome == Outcome(Verdict.BAD, "URL/ok answered 404: /ok?key=s3cret shop blue@2")


async def test_nobody_is_there(closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}/ok?key=s3cret"
    outcome = await HttpExaminer().examine(Examination("http", "shop", "blue@2", url=url))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.message == f"http://127.0.0.1:{closed_port}/ok: no connection (All connection attempts failed)"


@pytest.mark.parametrize("url", ["", "gopher://x/", "http://["])
async def test_what_is_no_address(url: str) -> None:
    outcome = await HttpExaminer().examine(Examination("http", "shop", "blue@2", url=url))
    assert outcome.verdict is Verdict.ERROR


async def test_a_certificate_that_nobody_trusts() -> None:
    async with serving(answering(lambda _: whole(""))) as served:
        url = f"https://127.0.0.1:{served.address[1]}/"
        outcome = await HttpExaminer().examine(Examination("http", "shop", "blue@2", url=url))
    assert outcome.verdict is Verdict.ERROR


async def test_no_answer_in_time() -> None:
    async def stay(_: Asked, __: Write) -> None:
        await asyncio.sleep(60)

    assert await confirm(stay, timeout_s=0.2) == Outcome(Verdict.ERROR, "URL/ok: no answer within 0.2 s")


async def test_a_status_counts_although_its_body_never_ends() -> None:
    async def drip(_: Asked, write: Write) -> None:
        await write(b"HTTP/1.1 200 X\r\ncontent-length: 99999999\r\n\r\nwell")
        while True:
            await write(b" ")
            await asyncio.sleep(0.01)

    assert await confirm(drip, timeout_s=0.3) == Outcome(Verdict.GOOD, "URL/ok answered 200: well")


async def test_a_body_of_a_gigabyte_is_not_read() -> None:
    async def stream(_: Asked, write: Write) -> None:
        await write(b"HTTP/1.1 503 X\r\ncontent-length: 1073741824\r\n\r\n")
        for _ in range(1024):
            await write(b"x" * (1 << 20))

    outcome = await confirm(stream)
    assert outcome == Outcome(Verdict.BAD, f"URL/ok answered 503: {'x' * 200}…")
