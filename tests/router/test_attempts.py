"""What entries of Envoy's access log say of releases."""

import pytest

from router.attempts import TAG, Attempt, Reader, outcome_of_request, outcome_of_retried
from router.messages import message

BLUE, GREEN = "blue@1", "green@1"


OWN = {
    "route": "iris/green@1/trial",
    "cluster": "iris/green@1",
    "host": GREEN,
    "attempts": "0",
    "code": "200",
    "flags": "-",
    "status": "",
    "request": "r1",
    "answered": "1500",
    "begun": "900",
    "whole": "7",
}


def entry(kind: str, **columns: object) -> object:
    made = message("envoy.data.accesslog.v3.HTTPAccessLogEntry")()
    values = {**OWN, **columns}
    assert values.keys() == OWN.keys()
    made.common_properties.custom_tags[TAG] = "\t".join([kind, *map(str, values.values())])
    return made


def whole(**fields: object) -> object:
    return entry("DownstreamEnd", **{"attempts": 1, **fields})


def shielded(kind: str, **fields: object) -> object:
    return entry(kind, route="iris/green@1/shielded-trial", **fields)


@pytest.mark.parametrize(
    ("code", "flags", "status", "outcome"),
    [
        (200, "-", 0, "ok"),
        (424, "-", 204, "ok"),
        (424, "-", 304, "ok"),
        (424, "-", 401, "4xx"),
        (424, "-", 424, "4xx"),
        (424, "-", 499, "4xx"),
        (424, "-", 408, "408"),
        (424, "-", 429, "429"),
        (424, "-", 500, "5xx"),
        (424, "URX", 503, "5xx"),
        (408, "UMSDR", 0, "408"),
        (408, "UT", 0, "408"),
        (200, "UMSDR", 0, "408"),
        (429, "UO", 0, "429"),
        (503, "UH", 0, "reset"),
        (503, "URX,UF", 0, "reset"),
        (502, "UC", 0, "reset"),
        (200, "UC", 0, "reset"),
        (502, "UPE", 0, "reset"),
        (0, "DC", 0, ""),
        (200, "DC", 0, "ok"),
        (401, "-", 0, ""),
        (413, "-", 0, ""),
        (431, "DPE", 0, ""),
    ],
)
def test_a_response_tells_what_became_of_the_last_attempt(code: int, flags: str, status: int, outcome: str) -> None:
    assert outcome_of_request(code, frozenset(flags.split(",")), status) == outcome


@pytest.mark.parametrize(
    ("code", "flags", "status", "outcome"),
    [
        (424, "-", 500, "5xx"),
        (424, "-", 422, "4xx"),
        (0, "UC", 0, "reset"),
        (0, "UF", 0, "reset"),
        (0, "-", 0, "408"),
    ],
)
def test_an_entry_tells_what_became_of_an_attempt_that_another_followed(
    code: int, flags: str, status: int, outcome: str
) -> None:
    assert outcome_of_retried(code, frozenset(flags.split(",")), status) == outcome


def test_one_request_is_one_attempt_however_often_its_release_was_tried() -> None:
    entries = [whole(attempts=3), whole(host="", code=503, flags="UH", answered="", begun="", whole="2", attempts=1)]
    assert Reader().read(entries) == [Attempt("iris", GREEN, "ok", 1.5), Attempt("iris", GREEN, "reset", 2.0)]


def test_where_releases_share_a_route_the_cluster_tells_which_it_was() -> None:
    refused = whole(route="iris/-/trial", host="", code=429, flags="UO", answered="", begun="", whole="0")
    assert Reader().read([refused]) == [Attempt("iris", GREEN, "429", 0.0)]


def test_a_failed_attempt_and_the_one_that_answered_instead_count_for_their_releases() -> None:
    reader = Reader()
    first = shielded("UpstreamEnd", code=424, status="500", answered="", begun="900", whole="3")
    second = shielded("UpstreamEnd", host=BLUE)
    assert reader.read([first, second]) == []
    assert reader.read([shielded("DownstreamEnd", host=BLUE, attempts=2)]) == [
        Attempt("iris", GREEN, "5xx", 0.9),
        Attempt("iris", BLUE, "ok", 1.5),
    ]


def test_requests_that_are_mixed_up_are_told_apart() -> None:
    failed = [
        shielded("UpstreamEnd", code=0, answered="", begun="", whole="400", request=name) for name in ("a", "b")
    ]
    own = [shielded("DownstreamEnd", host=BLUE, attempts=2, request=name) for name in ("b", "a")]
    assert (
        Reader().read([*failed, *own]) == [Attempt("iris", GREEN, "408", 400), Attempt("iris", BLUE, "ok", 1.5)] * 2
    )


def test_an_attempt_that_was_not_repeated_counts_once() -> None:
    """A body over the buffer's limit, say, is not sent again."""
    entries = [
        shielded("UpstreamEnd", code=424, status="500"),
        shielded("DownstreamEnd", attempts=1, code=424, status="500"),
    ]
    assert Reader().read(entries) == [Attempt("iris", GREEN, "5xx", 1.5)]


def test_a_shielded_release_without_replicas_is_a_reset_though_nothing_names_it() -> None:
    entries = [shielded("UpstreamEnd", host=BLUE), shielded("DownstreamEnd", host=BLUE, attempts=1)]
    assert Reader().read(entries) == [Attempt("iris", GREEN, "reset", 0.0), Attempt("iris", BLUE, "ok", 1.5)]


@pytest.mark.parametrize("flags", ["UH", "UO"])
def test_where_the_second_release_has_no_replica_or_room_only_the_first_counts(flags: str) -> None:
    entries = [
        shielded("UpstreamEnd", code=0, flags="UC", answered="", begun="", whole="1"),
        shielded("DownstreamEnd", attempts=2, code=503, flags=flags),
    ]
    assert Reader().read(entries) == [Attempt("iris", GREEN, "reset", 1.0)]


def test_a_client_that_leaves_proves_nothing_of_the_attempt_it_left() -> None:
    entries = [
        shielded("UpstreamEnd", code=424, status="500"),
        shielded("DownstreamEnd", host=BLUE, attempts=2, code=0, flags="DC"),
        shielded("UpstreamEnd", host=BLUE, code=0, answered="", begun="", whole="1"),
        whole(code=0, flags="DC", request="r2"),
    ]
    assert Reader().read(entries) == [Attempt("iris", GREEN, "5xx", 1.5)]


def test_attempts_whose_request_never_ends_are_forgotten() -> None:
    reader = Reader()
    reader.read([shielded("UpstreamEnd", code=424, status="500", request=f"r{number}") for number in range(10_000)])
    assert len(reader._earlier) <= 4096  # noqa: SLF001 - nothing else shows what is kept


def test_a_client_cannot_write_columns_by_its_request_id() -> None:
    forged = [whole(code=424, status="404", request="a\tb"), shielded("UpstreamEnd", code=0, request="\t\t200")]
    assert Reader().read(forged) == [Attempt("iris", GREEN, "4xx", 1.5)]
