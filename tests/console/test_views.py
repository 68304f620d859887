"""Where an endpoint is: by its own host name, and always by path."""

from io import StringIO

import pytest
from rich.console import Console

from console import pages, screen
from console.shapes import EndpointDetail
from console.views import Address, Subject, endpoint_detail, endpoint_status
from reconciler.plan import Seen
from reconciler.state import Memory, Settled

BY_PATH = "https://localhost:8443/endpoints/iris/score"
BY_HOST = "https://iris.models.example:8443/score"
SUBJECT = Subject(Memory("iris", Settled(())), Seen(None, None), None)


def address(domain: str | None) -> Address:
    return Address("https", "localhost", 8443, domain, "127.0.0.1")


def shown(detail: EndpointDetail, monkeypatch: pytest.MonkeyPatch) -> str:
    console = Console(width=200, record=True, file=StringIO())
    monkeypatch.setattr(screen, "out", lambda: console)
    monkeypatch.setattr(pages, "out", lambda: console)
    pages.print_status(detail)
    return console.export_text()


def test_with_a_domain_both_forms_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    detail = endpoint_detail(SUBJECT, address("models.example"))
    assert (detail.scoring_uri, detail.path_scoring_uri) == (BY_HOST, BY_PATH)
    assert endpoint_status(SUBJECT, address("models.example")).scoring_uri == BY_HOST
    text = shown(detail, monkeypatch)
    assert BY_HOST in text
    assert BY_PATH in text


def test_without_one_the_path_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    detail = endpoint_detail(SUBJECT, address(None))
    assert (detail.scoring_uri, detail.path_scoring_uri) == (BY_PATH, BY_PATH)
    assert shown(detail, monkeypatch).count(BY_PATH) == 1
