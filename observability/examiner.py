"""Who asks a release, or a server that a gate names, on Headgate's behalf."""

import asyncio
from typing import Final
from urllib.parse import urljoin, urlsplit

from observability.checking import run_checks
from observability.examination import Examination, Outcome
from observability.exchange import AT_ONCE, Answer, Caller, Request, Silence, calling, excerpt
from observability.verdict import Verdict
from observability.warming import warm_up

CONFIRMATION_BYTES: Final = 4096
EXCERPT: Final = 200
"""Printable characters of a confirmation that are shown."""
REDIRECTS: Final = 3


class HttpExaminer:
    """Examinations over HTTP: to replicas at their own addresses, never by way of the router. For one event loop."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def examine(self, examination: Examination) -> Outcome:
        """Find out; what cannot be found out is an outcome too."""
        async with calling(self._turns, outside=examination.kind == "http") as caller:
            match examination.kind:
                case "http":
                    return await confirm(caller, examination)
                case "checks":
                    return await run_checks(caller, examination)
                case "warmup":
                    return await warm_up(caller, examination)


async def confirm(caller: Caller, examination: Examination) -> Outcome:
    """GET what the gate names: 2xx is good, any other status bad, no answer an error."""
    found = await _get(caller, examination)
    if isinstance(found, Silence):
        return Outcome(Verdict.ERROR, f"{_site(examination.url)}: {found.message}")
    text = excerpt(found.body.decode("utf-8", "replace"), EXCERPT)
    where = f" (to {_site(found.location)}, which is not followed)" if _is_redirect(found) else ""
    is_good = 200 <= found.status < 300  # noqa: PLR2004 - 2xx
    return Outcome(
        Verdict.GOOD if is_good else Verdict.BAD,
        f"{_site(examination.url)} answered {found.status}{where}{f': {text}' if text else ''}",
    )


async def _get(caller: Caller, examination: Examination) -> Answer | Silence:
    """The answer, after a few redirects on the same server: no other is trusted with the decision."""
    url = examination.url
    headers = (("headgate-endpoint", examination.endpoint), ("headgate-release", examination.release))
    left = examination.timeout_s
    for _ in range(REDIRECTS + 1):
        request = Request(url, headers=headers, timeout_s=left, limit=CONFIRMATION_BYTES)
        found = await caller.ask(request)
        if isinstance(found, Silence) or not _is_redirect(found):
            return found
        target = _join(url, found.location)
        if _origin(target) != _origin(url):
            return found
        url, left = target, max(0.0, left - found.seconds)
    return Silence(f"more than {REDIRECTS} redirects")


def _is_redirect(answer: Answer) -> bool:
    return answer.status in {301, 302, 303, 307, 308} and bool(answer.location)


def _join(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc


def _site(url: str) -> str:
    """The URL without its query, which may hold what nobody else should read."""
    return excerpt(url.partition("?")[0].partition("#")[0])
